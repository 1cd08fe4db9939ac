/** The page put together: access, then the schema, then questions and answers. */

import { Access, Refusal, bodyOf } from "./access.js";
import { showAnswer, showRefusal } from "./answer.js";
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

/** Does what a button asks for, which cannot be asked twice at once; `say` hears why it was refused. */
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

function sayOfAccess(said) {
  byId("access-says").textContent = said;
}

/** What an answer holds that the page cannot do without. */
async function told(answer) {
  const body = await bodyOf(answer);
  if (answer.ok) return body;
  access.forget();
  throw new Refusal(body.detail);
}

/** Shows whose the token is, and reads the schema with it. */
async function enter() {
  const me = await told(await access.call("/v1/me"));
  const said = await told(await post({ query: INTROSPECTION }));
  const schema = new Schema(said.data.__schema);
  const how = access.renews ? "The token is renewed when it ends." : "When the token ends, paste another.";
  byId("who").replaceChildren(
    element("b", {}, me.client_id), ` of ${me.organisation}, `, element("code", {}, me.role), `. ${how}`,
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

/** Lists the examples, those of the caller's role first. */
function listExamples(role) {
  const roles = [...new Set(examples.map((it) => it.role))].sort((one, other) => (other === role) - (one === role));
  byId("example").replaceChildren(
    ...roles.map((its) =>
      element(
        "optgroup",
        { label: its === role ? `${its}, your role` : its },
        ...examples.filter((it) => it.role === its).map((it) => element("option", { value: it.name }, it.shows)),
      ),
    ),
  );
}

/** The variables of an example, where `<fresh>` is a key that was never used and `<today>` the day. */
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
  const asked = { query: query.text, variables: readVariables() };
  if (several) asked.operationName = byId("operation").value;
  showRefusal("Asked; waiting for the answer.");
  const began = performance.now();
  const answer = await post(asked);
  const body = await bodyOf(answer);
  const milliseconds = performance.now() - began;
  const requestId = answer.headers.get("X-Request-ID");
  showAnswer({ status: answer.status, milliseconds, requestId, body }, (...place) => query.goTo(...place));
}

byId("by-secret").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target, sayOfAccess, async () => {
    const scopes = [...event.target.querySelectorAll("[name=scope]:checked")].map((it) => it.value);
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
  showRefusal("Nothing has been asked yet.");
  byId("signed-in").hidden = true;
  byId("sign-in").hidden = false;
  byId("client-id").focus();
  sayOfAccess("The token is forgotten.");
});

byId("take-example").addEventListener("click", () => {
  const example = examples.find((it) => it.name === byId("example").value);
  variables.replace(filledIn(example.variables));
  query.replace(example.document);
});

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(event.target, showRefusal, run);
});

byId("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});

byId("query").addEventListener("input", listOperations);
listOperations();
examples.push(...(await (await fetch("/graphql/assets/examples.json")).json()));
listExamples("");
