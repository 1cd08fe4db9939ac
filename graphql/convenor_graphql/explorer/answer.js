/** What came back: status, time, cost, what was redacted, the errors and the data. */

import { byId, element } from "./dom.js";

/** Shows an answer. `goTo(line, column)` leads to the place of an error in the document. */
export function showAnswer({ status, milliseconds, requestId, body }, goTo) {
  const errors = errorsOf(body);
  const { cost, redacted = [], idempotencyReplayed = [] } = body.extensions ?? {};
  const said = errors.length === 1 ? "1 error" : `${errors.length} errors`;
  byId("answer-says").textContent = errors.length ? `Answered, with ${said}.` : "Answered.";
  const facts = [
    ["Status", String(status)],
    ["Time", `${Math.round(milliseconds)} ms`],
    ["Cost, in records", cost?.records.toLocaleString("en-GB")],
    ["Redacted for your role", redacted.join(", ")],
    ["The first answer again", idempotencyReplayed.join(", ")],
    ["Request id", requestId],
  ];
  byId("facts").replaceChildren(
    ...facts
      .filter(([, value]) => value)
      .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
  byId("errors").replaceChildren(...errors.map((it) => errorItem(it, goTo)));
  byId("data").hidden = !("data" in body);
  byId("data").firstElementChild.textContent = JSON.stringify(body.data, null, 2);
}

/** Says why there is no answer. */
export function showRefusal(said) {
  byId("answer-says").textContent = said;
  byId("facts").replaceChildren();
  byId("errors").replaceChildren();
  byId("data").hidden = true;
}

/** The errors of a GraphQL answer, or of the problem that the service answers with before it reads a document. */
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
  const faults = (extensions.errors ?? []).map(({ pointer, detail }) =>
    element("li", {}, element("code", {}, pointer), ` ${detail}`),
  );
  if (faults.length) item.append(element("ul", {}, ...faults));
  return item;
}
