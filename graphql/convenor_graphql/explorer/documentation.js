/** Show and search the schema's types and fields. The address holds the current place. */

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
      if (sought) found.push(...membersOf(type).filter(({ name }) => fits(name)).map(({ name }) => [type.name, name]));
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
      parts.push(element("ul", {}, ...type.possibleTypes.map((possible) => element("li", {}, link(possible.name)))));
    }
    parts.push(element("dl", {}, ...membersOf(type).flatMap((described) => definition(described, described.name === member))));
    const users = this.#usersOf(name);
    if (users.length) {
      const links = users.map((place) => element("li", {}, link(...place)));
      parts.push(element("h4", {}, "Where it is used"), element("ul", {}, ...links));
    }
    byId("described").replaceChildren(...parts);
  }

  #usersOf(name) {
    const names = (member) => [member, ...(member.args ?? [])].some(({ type }) => nameOf(type) === name);
    return this.#inOrder().flatMap((type) =>
      type.kind === "ENUM" ? [] : membersOf(type).filter(names).map((member) => [type.name, member.name]),
    );
  }
}

const membersOf = (type) => type.fields ?? type.inputFields ?? type.enumValues ?? [];

function link(type, member) {
  const name = member ? `${type}.${member}` : type;
  return element("a", { href: `#type:${name}` }, element("code", {}, name));
}

function definition(member, sought) {
  const place = sought ? { tabindex: "-1", "data-sought": "" } : {};
  const term = element("dt", place, element("code", {}, element("b", {}, member.name)));
  if (member.type) {
    const [before, after] = wrapped(member.type);
    const name = nameOf(member.type);
    const given = member.defaultValue ? ` = ${member.defaultValue}` : "";
    term.append(element("code", {}, `: ${before}`, element("a", { href: `#type:${name}` }, name), after, given));
  }
  const description = element("dd", {}, ...prose(member.description ?? ""));
  const args = member.args ?? [];
  if (args.length) {
    const described = element("dl", {}, ...args.flatMap((argument) => definition(argument, false)));
    const open = sought || args.some((argument) => argument.type.kind === "NON_NULL" && !argument.defaultValue);
    const summary = element("summary", {}, args.length === 1 ? "1 argument" : `${args.length} arguments`);
    description.append(element("details", open ? { open: "" } : {}, summary, described));
  }
  return [term, description];
}
