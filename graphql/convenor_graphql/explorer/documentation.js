/** The schema, to be read: types and fields, searched and followed. The address remembers the place. */

import { byId, element, prose } from "./dom.js";
import { nameOf, wrapped } from "./schema.js";

const PLACE = /^#type:(\w+)(?:\.(\w+))?$/;
const MOST = 200;
const KINDS = { OBJECT: "Type", UNION: "Union", INPUT_OBJECT: "Input", ENUM: "Enumeration", SCALAR: "Scalar" };

export class Documentation {
  #schema;

  constructor() {
    byId("sought").addEventListener("input", () => this.#list());
    addEventListener("hashchange", () => this.#go());
  }

  show(schema) {
    this.#schema = schema;
    byId("schema-says").hidden = true;
    byId("documentation").hidden = false;
    this.#list();
    this.#describe(...(PLACE.exec(location.hash)?.slice(1) ?? [schema.roots.query]));
  }

  #go() {
    const place = PLACE.exec(location.hash);
    if (!place || !this.#schema) return;
    this.#describe(place[1], place[2]);
    const there = byId("described").querySelector("[data-sought]") ?? byId("described");
    there.focus();
    there.scrollIntoView({ block: "start" });
  }

  #list() {
    const sought = byId("sought").value.trim().toLowerCase();
    const fits = (name) => name.toLowerCase().includes(sought);
    const found = [];
    for (const type of this.#inOrder()) {
      if (fits(type.name)) found.push([type.name]);
      if (sought) found.push(...membersOf(type).filter((it) => fits(it.name)).map((it) => [type.name, it.name]));
    }
    const more = found.length > MOST ? `; the first ${MOST} are shown` : "";
    byId("found-says").textContent = sought ? `${found.length} found${more}` : "Every type";
    byId("found").replaceChildren(...found.slice(0, MOST).map((place) => element("li", {}, link(...place))));
  }

  #inOrder() {
    const { query, mutation } = this.#schema.roots;
    const rank = ({ name }) => (name === query ? 0 : name === mutation ? 1 : 2);
    return [...this.#schema.types.values()].sort(
      (one, other) => rank(one) - rank(other) || (one.name < other.name ? -1 : 1),
    );
  }

  #describe(name, member) {
    const type = this.#schema.type(name);
    if (!type) return;
    const parts = [
      element("h3", {}, element("code", {}, name), " ", element("span", {}, KINDS[type.kind])),
      element("p", {}, ...prose(type.description ?? "")),
    ];
    if (type.possibleTypes) {
      parts.push(element("ul", {}, ...type.possibleTypes.map((it) => element("li", {}, link(it.name)))));
    }
    parts.push(element("dl", {}, ...membersOf(type).flatMap((it) => definition(it, it.name === member))));
    const users = this.#usersOf(name);
    if (users.length) {
      const links = users.map((it) => element("li", {}, link(...it)));
      parts.push(element("h4", {}, "Where it is used"), element("ul", {}, ...links));
    }
    byId("described").replaceChildren(...parts);
  }

  #usersOf(name) {
    const names = (it) => [it, ...(it.args ?? [])].some(({ type }) => nameOf(type) === name);
    return this.#inOrder().flatMap((type) =>
      type.kind === "ENUM" ? [] : membersOf(type).filter(names).map((it) => [type.name, it.name]),
    );
  }
}

const membersOf = (type) => type.fields ?? type.inputFields ?? type.enumValues ?? [];

function link(type, member) {
  const name = member ? `${type}.${member}` : type;
  return element("a", { href: `#type:${name}` }, element("code", {}, name));
}

function definition(it, sought) {
  const place = sought ? { tabindex: "-1", "data-sought": "" } : {};
  const term = element("dt", place, element("code", {}, element("b", {}, it.name)));
  if (it.type) {
    const [before, after] = wrapped(it.type);
    const name = nameOf(it.type);
    const given = it.defaultValue ? ` = ${it.defaultValue}` : "";
    term.append(element("code", {}, `: ${before}`, element("a", { href: `#type:${name}` }, name), after, given));
  }
  const said = element("dd", {}, ...prose(it.description ?? ""));
  const args = it.args ?? [];
  if (args.length) {
    const described = element("dl", {}, ...args.flatMap((argument) => definition(argument, false)));
    const open = sought || args.some((argument) => argument.type.kind === "NON_NULL" && !argument.defaultValue);
    const summary = element("summary", {}, args.length === 1 ? "1 argument" : `${args.length} arguments`);
    said.append(element("details", open ? { open: "" } : {}, summary, described));
  }
  return [term, said];
}
