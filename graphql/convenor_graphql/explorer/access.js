/** The token: asked for, renewed, sent along. It lives in private fields of one object, and nowhere else. */

/** How long before its end a token is renewed, in milliseconds. */
const MARGIN = 15_000;

/** The service said no; the message is for whoever reads the page. */
export class Refusal extends Error {}

export class Access {
  #client = null;
  #token = null;
  #endsAt = Infinity;

  get isOpen() {
    return this.#token !== null;
  }

  /** Whether it renews itself: a pasted token cannot. */
  get renews() {
    return this.#client !== null;
  }

  /** Asks for a token by client id and secret, and keeps both to renew it. Throws a `Refusal`. */
  async open(id, secret, scopes) {
    // RFC 6749, section 2.3.1: both are encoded as in a form before they are joined.
    const login = btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`);
    const client = { login, scope: scopes.join(" ") };
    await this.#renew(client);
    this.#client = client;
  }

  paste(token) {
    this.forget();
    this.#token = token;
  }

  forget() {
    this.#client = this.#token = null;
    this.#endsAt = Infinity;
  }

  /** Makes a call with the token. A 401 says that nothing was done, so that a call may be made again. */
  async call(path, options = {}) {
    if (Date.now() > this.#endsAt - MARGIN) await this.#renew(this.#client);
    const answer = await this.#send(path, options);
    if (answer.status !== 401 || !this.#client) return answer;
    await this.#renew(this.#client);
    return this.#send(path, options);
  }

  #send(path, options) {
    const headers = { ...options.headers, Authorization: `Bearer ${this.#token}` };
    return request(path, { ...options, headers });
  }

  async #renew(client) {
    const answer = await request("/oauth/token", {
      method: "POST",
      headers: { Authorization: `Basic ${client.login}` },
      body: new URLSearchParams({ grant_type: "client_credentials", scope: client.scope }),
    });
    const said = await bodyOf(answer);
    if (!answer.ok) throw new Refusal(said.error_description ?? said.detail);
    this.#token = said.access_token;
    this.#endsAt = Date.now() + said.expires_in * 1000;
  }
}

/** The JSON of an answer. */
export async function bodyOf(answer) {
  try {
    return await answer.json();
  } catch {
    throw new Refusal(`The answer, ${answer.status}, is not JSON.`);
  }
}

async function request(path, options) {
  try {
    // Without `omit` the browser would answer a 401 with a login window of its own, and keep what is typed there.
    return await fetch(path, { ...options, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch {
    throw new Refusal("The service does not answer.");
  }
}
