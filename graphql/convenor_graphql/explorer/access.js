/** Request, renew and send the token, which is only in private fields of one object. */

/** How long before its expiry a token is renewed, in milliseconds. */
const MARGIN = 15_000;

/** A refusal, with a message for the user. */
export class Refusal extends Error {}

export class Access {
  #client = null;
  #token = null;
  #endsAt = Infinity;

  get isOpen() {
    return this.#token !== null;
  }

  /** Whether the token can be renewed; a pasted one cannot. */
  get renews() {
    return this.#client !== null;
  }

  /** Request a token by client id and secret, and store both to renew it. Throws a `Refusal`. */
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

  /** Send a request with the token, and once more after a 401, which means that nothing was done. */
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
    const body = await bodyOf(answer);
    if (!answer.ok) throw new Refusal(body.error_description ?? body.detail);
    this.#token = body.access_token;
    this.#endsAt = Date.now() + body.expires_in * 1000;
  }
}

/** Read the JSON of an answer. */
export async function bodyOf(answer) {
  try {
    return await answer.json();
  } catch {
    throw new Refusal(`The answer, ${answer.status}, is not JSON.`);
  }
}

async function request(path, options) {
  try {
    // Without `omit`, the browser would open its own login window after a 401, and store what is typed there.
    return await fetch(path, { ...options, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch {
    throw new Refusal("The service does not answer.");
  }
}
