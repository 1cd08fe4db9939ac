/** Which names fit at a place of a document. It reads the tokens before the place and keeps what is open there. */

import { tokensOf } from "./lexer.js";
import { nameOf, written } from "./schema.js";

const WORD = /[_A-Za-z]\w*$/;
const CLOSING = ["}", ")", "]"];
/** What `@include` and `@skip` take. */
const CONDITION = { name: "if", type: { kind: "SCALAR", name: "Boolean" } };

/** The names that fit at the end of a text, each with what it is, and the beginning that stands there already. */
export function namesAt(schema, before, document) {
  const word = WORD.exec(before)?.[0] ?? "";
  const tokens = tokensOf(before.slice(0, before.length - word.length));
  const last = tokens.at(-1);
  if (last && unfinished(last, before.length - word.length)) return { word, names: [] };
  const reader = new Reader(schema);
  for (const token of tokens.filter((it) => it.kind !== "comment")) reader.read(token);
  const names = reader.fitting(document).filter((it) => it.name.startsWith(word));
  return { word, names: names.sort((one, other) => (one.name < other.name ? -1 : 1)) };
}

function unfinished(token, place) {
  if (token.end < place) return false;
  if (token.kind === "string") return !/^(""".*"""|"([^"]|\\")*")$/s.test(token.text) || token.text === '"""';
  return token.kind === "comment" || token.kind === "number";
}

/** What is open: a document, selections of a type, arguments or input fields, a list of values, or variables. */
class Reader {
  constructor(schema) {
    this.schema = schema;
    this.open = [{ kind: "document" }];
    this.previous = ["", ""];
  }

  get here() {
    return this.open.at(-1);
  }

  read(token) {
    const { here, schema } = this;
    const [beforeLast, last] = this.previous;
    if (CLOSING.includes(token.text)) {
      if (this.open.length > 1) this.open.pop();
    } else if (token.text === "{") this.#enterBraces();
    else if (token.text === "(") this.#enterParentheses();
    else if (token.text === "[") this.open.push({ kind: here.kind === "variables" ? "variables" : "list", named: here.named });
    else if (last === "@") here.directive = true;
    else if (token.kind === "name") {
      if (last === "on" && (beforeLast === "..." || here.kind === "document")) here.type = schema.type(token.text);
      else if (here.kind === "document" && Object.hasOwn(schema.roots, token.text)) here.type = schema.type(schema.roots[token.text]);
      else if (here.kind === "selections" && last !== "...") here.named = schema.field(here.of, token.text);
      else if (here.kind === "inputs" && last !== ":" && last !== "$") {
        here.named = here.fields.find((it) => it.name === token.text);
        here.given.push(token.text);
      }
      if (last !== "@") here.directive = false;
    }
    this.previous = [last, token.text];
  }

  #enterBraces() {
    const { here, schema } = this;
    const within = here.named && schema.type(nameOf(here.named.type));
    if (here.kind === "document") {
      this.open.push({ kind: "selections", of: here.type ?? schema.type(schema.roots.query) });
      here.type = undefined;
    } else if (here.kind === "selections") {
      this.open.push({ kind: "selections", of: here.type ?? within ?? here.of });
      here.type = undefined;
    } else this.open.push({ kind: "inputs", fields: within?.inputFields ?? [], given: [] });
    here.directive = false;
  }

  #enterParentheses() {
    const { here } = this;
    if (here.directive) this.open.push({ kind: "inputs", fields: [CONDITION], given: [] });
    else if (here.kind === "document") this.open.push({ kind: "variables" });
    else this.open.push({ kind: "inputs", fields: here.named?.args ?? [], given: [] });
  }

  /** The names that fit here. */
  fitting(document) {
    const { here } = this;
    const [beforeLast, last] = this.previous;
    if (last === "@") return [entry("include", "directive"), entry("skip", "directive")];
    if (last === "on" && beforeLast === "...") return (here.of?.possibleTypes ?? []).map((it) => entry(it.name, "type"));
    if (last === "on" && here.kind === "document") return this.#kinds("OBJECT", "UNION");
    if (here.kind === "document") return ["query", "mutation", "fragment"].map((name) => entry(name, "definition"));
    if (here.kind === "variables") return [":", "["].includes(last) ? this.#kinds("SCALAR", "ENUM", "INPUT_OBJECT") : [];
    if (here.kind === "selections") return last === "..." ? spreads(document) : this.#fields();
    if (last === "$") return variables(document);
    if (last === ":" || here.kind === "list") return this.#values();
    return here.fields.filter((it) => !here.given.includes(it.name)).map(described);
  }

  #fields() {
    return [...(this.here.of?.fields ?? []).map(described), entry("__typename", "String!")];
  }

  #values() {
    const type = this.here.named && this.schema.type(nameOf(this.here.named.type));
    if (type?.name === "Boolean") return [entry("true", "Boolean"), entry("false", "Boolean")];
    return (type?.enumValues ?? []).map((it) => entry(it.name, type.name));
  }

  #kinds(...kinds) {
    return [...this.schema.types.values()].filter((it) => kinds.includes(it.kind)).map((it) => entry(it.name, "type"));
  }
}

const entry = (name, what) => ({ name, what });
const described = (field) => entry(field.name, written(field.type));

function spreads(document) {
  return [entry("on", "a type"), ...after(document, "fragment").map((name) => entry(name, "fragment"))];
}

function variables(document) {
  return after(document, "$").map((name) => entry(name, "variable"));
}

function after(document, text) {
  const tokens = tokensOf(document).filter((it) => it.kind !== "comment");
  const names = tokens.filter((it, at) => it.kind === "name" && tokens[at - 1]?.text === text).map((it) => it.text);
  return [...new Set(names)];
}
