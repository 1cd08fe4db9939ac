/** Show an answer: status, time, cost, redacted fields, errors and data. */

import { byId, element } from "./dom.js";

/** Show an answer. `goTo(line, column)` moves to the place of an error in the document. */
export function showAnswer({ status, milliseconds, requestId, body }, goTo) {
  const errors = errorsOf(body);
  const { cost, redacted = [], idempotencyReplayed = [] } = body.extensions ?? {};
  const count = errors.length === 1 ? "1 error" : `${errors.length} errors`;
  byId("answer-says").textContent = errors.length ? `Answered, with ${count}.` : "Answered.";
  const facts = [
    ["Status", String(status)],
    ["Time", `${Math.round(milliseconds)} ms`],
    ["Cost, in records", cost?.records.toLocaleString("en-GB")],
    ["Redacted for your role", redacted.join(", ")],
    ["Repeated calls", idempotencyReplayed.join(", ")],
    ["Request id", requestId],
  ];
  byId("facts").replaceChildren(
    ...facts
      .filter(([, value]) => value)
      .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
  byId("errors").replaceChildren(...errors.map((error) => errorItem(error, goTo)));
  byId("data").hidden = !("data" in body);
  byId("data").firstElementChild.textContent = JSON.stringify(body.data, null, 2);
}

/** Show a message instead of an answer. */
export function showMessage(message) {
  byId("answer-says").textContent = message;
  byId("facts").replaceChildren();
  byId("errors").replaceChildren();
  byId("data").hidden = true;
}

/** Return the errors of a GraphQL answer, or of a problem that the service reports before it reads a document. */
function errorsOf(body) {
  if (!("status" in body)) return body.errors ?? [];
  return [{ message: body.detail ?? body.title, extensions: { code: body.code, errors: body.errors } }];
}

function errorItem({ message, path, locations = [], extensions = {} }, goTo) {
  const item = element("li", {}, `${message} `);
  if (extensions.code) {
    item.append(element("a", { href: `/problems/${extensions.code}` }, element("code", {}, extensions.code)));
  }
  if (path) item.append(" at ", element("code", {}, path.join(".")));
  for (const { line, column } of locations) {
    const place = element("button", { type: "button", class: "place" }, `line ${line}, column ${column}`);
    place.addEventListener("click", () => goTo(line, column));
    item.append(" ", place);
  }
  const fieldErrors = (extensions.errors ?? []).map(({ pointer, detail }) =>
    element("li", {}, element("code", {}, pointer), ` ${detail}`),
  );
  if (fieldErrors.length) item.append(element("ul", {}, ...fieldErrors));
  return item;
}
