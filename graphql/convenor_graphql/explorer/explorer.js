/** Assemble the page: access, schema, queries and answers. */

import { Access, Refusal, bodyOf } from "./access.js";
import { showAnswer, showMessage } from "./answer.js";
import { namesAt } from "./completing.js";
import { Documentation } from "./documentation.js";
import { byId, element } from "./dom.js";
import { Editor } from "./editor.js";
import { operationsIn } from "./lexer.js";
import { INTROSPECTION, Schema } from "./schema.js";

const access = new Access();
const documentation = new Documentation();
const query = new Editor(byId("query"));
const variables = new Editor(byId("variables"));
const examples = [];

function post(body) {
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json" };
  return access.call("/graphql", { method: "POST", headers, body: JSON.stringify(body) });
}

/** Run a button's action, not twice at once; `say` shows a refusal. */
async function attempt(form, say, act) {
  if (form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", "true");
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(error.message);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

function sayOfAccess(message) {
  byId("access-says").textContent = message;
}

/** Return the body of an answer that the page needs, or forget the token. */
async function requiredBody(answer) {
  const body = await bodyOf(answer);
  if (answer.ok) return body;
  access.forget();
  throw new Refusal(body.detail);
}

/** Show the token's client, and read the schema with the token. */
async function enter() {
  const me = await requiredBody(await access.call("/v1/me"));
  const introspection = await requiredBody(await post({ query: INTROSPECTION }));
  const schema = new Schema(introspection.data.__schema);
  const renewal = access.renews ? "The token is renewed when it expires." : "When the token expires, paste another.";
  byId("who").replaceChildren(
    element("b", {}, me.client_id), ` of ${me.organisation}, `, element("code", {}, me.role), `. ${renewal}`,
  );
  byId("granted").textContent = me.scopes.join(", ");
  byId("sign-in").hidden = true;
  byId("signed-in").hidden = false;
  byId("signed-in").focus();
  sayOfAccess("");
  listExamples(me.role);
  documentation.show(schema);
  query.completeWith((before, whole) => namesAt(schema, before, whole));
}

/** List the examples, those of the caller's role first. */
function listExamples(role) {
  const roles = [...new Set(examples.map((example) => example.role))].sort((one, other) => (other === role) - (one === role));
  byId("example").replaceChildren(
    ...roles.map((exampleRole) =>
      element(
        "optgroup",
        { label: exampleRole === role ? `${exampleRole}, your role` : exampleRole },
        ...examples
          .filter((example) => example.role === exampleRole)
          .map((example) => element("option", { value: example.name }, example.shows)),
      ),
    ),
  );
}

/** Fill in an example's variables: `<fresh>` is a new key, and `<today>` is today's date. */
function filledIn(text) {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const fresh = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return text.replaceAll("<fresh>", fresh).replaceAll("<today>", new Date().toLocaleDateString("sv-SE"));
}

function listOperations() {
  const names = operationsIn(query.text);
  const chosen = byId("operation").value;
  byId("operation-choice").hidden = names.length < 2;
  byId("operation").replaceChildren(...names.map((name) => element("option", {}, name)));
  if (names.includes(chosen)) byId("operation").value = chosen;
}

function readVariables() {
  try {
    return variables.text.trim() ? JSON.parse(variables.text) : {};
  } catch (error) {
    throw new Refusal(`The variables are not JSON: ${error.message}`);
  }
}

async function run() {
  if (!access.isOpen) throw new Refusal("Get a token first: see Access, above.");
  const several = operationsIn(query.text).length > 1;
  const request = { query: query.text, variables: readVariables() };
  if (several) request.operationName = byId("operation").value;
  showMessage("Sent; waiting for the answer.");
  const began = performance.now();
  const answer = await post(request);
  const body = await bodyOf(answer);
  const milliseconds = performance.now() - began;
  const requestId = answer.headers.get("X-Request-ID");
  showAnswer({ status: answer.status, milliseconds, requestId, body }, (...place) => query.goTo(...place));
}

byId("by-secret").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target, sayOfAccess, async () => {
    const scopes = [...event.target.querySelectorAll("[name=scope]:checked")].map((box) => box.value);
    await access.open(byId("client-id").value.trim(), byId("client-secret").value, scopes);
    byId("client-secret").value = "";
    await enter();
  });
});

byId("by-token").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target, sayOfAccess, async () => {
    access.paste(byId("pasted-token").value.trim());
    byId("pasted-token").value = "";
    await enter();
  });
});

byId("forget").addEventListener("click", () => {
  access.forget();
  variables.replace("");
  byId("client-id").value = "";
  showMessage("No query has run yet.");
  byId("signed-in").hidden = true;
  byId("sign-in").hidden = false;
  byId("client-id").focus();
  sayOfAccess("The token is forgotten.");
});

byId("take-example").addEventListener("click", () => {
  const example = examples.find((candidate) => candidate.name === byId("example").value);
  variables.replace(filledIn(example.variables));
  query.replace(example.document);
});

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target, showMessage, run);
});

byId("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});

byId("query").addEventListener("input", listOperations);
listOperations();
examples.push(...(await (await fetch("/graphql/assets/examples.json")).json()));
listExamples("");
