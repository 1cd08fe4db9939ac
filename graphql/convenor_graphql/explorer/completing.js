/** Find the names that fit at a place of a document, from the tokens before it. */

import { tokensOf } from "./lexer.js";
import { nameOf, written } from "./schema.js";

const WORD = /[_A-Za-z]\w*$/;
const CLOSING = ["}", ")", "]"];
/** The argument of `@include` and `@skip`. */
const CONDITION = { name: "if", type: { kind: "SCALAR", name: "Boolean" } };

/** Return the names that fit at the end of a text, each with its kind, and the part that is typed already. */
export function namesAt(schema, before, document) {
  const word = WORD.exec(before)?.[0] ?? "";
  const tokens = tokensOf(before.slice(0, before.length - word.length));
  const last = tokens.at(-1);
  if (last && unfinished(last, before.length - word.length)) return { word, names: [] };
  const reader = new Reader(schema);
  for (const token of tokens.filter(({ kind }) => kind !== "comment")) reader.read(token);
  const names = reader.fitting(document).filter(({ name }) => name.startsWith(word));
  return { word, names: names.sort((one, other) => (one.name < other.name ? -1 : 1)) };
}

function unfinished(token, place) {
  if (token.end < place) return false;
  if (token.kind === "string") return !/^(""".*"""|"([^"]|\\")*")$/s.test(token.text) || token.text === '"""';
  return token.kind === "comment" || token.kind === "number";
}

/** Track the open contexts: a document, selections of a type, arguments or input fields, lists, or variables. */
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
    const { here } = this;
    const last = this.previous[1];
    if (CLOSING.includes(token.text)) {
      if (this.open.length > 1) this.open.pop();
    } else if (token.text === "{") this.#enterBraces();
    else if (token.text === "(") this.#enterParentheses();
    else if (token.text === "[") this.#enterBrackets();
    else if (token.text === "...") here.named = undefined;
    else if (last === "@") here.directive = true;
    else if (token.kind === "name") this.#readName(token.text);
    this.previous = [last, token.text];
  }

  #readName(name) {
    const { here, schema } = this;
    const [beforeLast, last] = this.previous;
    if (last === "on" && (beforeLast === "..." || here.kind === "document")) here.type = schema.type(name);
    else if (here.kind === "document") here.type = schema.root(name) ?? here.type;
    else if (here.kind === "selections" && last !== "...") here.named = schema.field(here.of, name);
    else if (here.kind === "inputs" && last !== ":" && last !== "$") {
      here.named = here.fields.find((field) => field.name === name);
      here.given.push(name);
    }
    here.directive = false;
  }

  #enterBraces() {
    const { here, schema } = this;
    const within = here.named && schema.type(nameOf(here.named.type));
    if (here.kind === "document") {
      this.open.push({ kind: "selections", of: here.type ?? schema.root("query") });
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

  #enterBrackets() {
    const { kind, named } = this.here;
    this.open.push({ kind: kind === "variables" ? kind : "list", named });
  }

  /** Return the names that fit here. */
  fitting(document) {
    const { here } = this;
    const [beforeLast, last] = this.previous;
    if (last === "@") return [entry("include", "directive"), entry("skip", "directive")];
    if (last === "on" && beforeLast === "...") return (here.of?.possibleTypes ?? []).map(typed);
    if (last === "on" && here.kind === "document") return this.#kinds("OBJECT", "UNION");
    if (here.kind === "document") return ["query", "mutation", "fragment"].map((name) => entry(name, "definition"));
    if (here.kind === "variables") {
      return [":", "["].includes(last) ? this.#kinds("SCALAR", "ENUM", "INPUT_OBJECT") : [];
    }
    if (here.kind === "selections") return last === "..." ? spreads(document) : this.#fields();
    if (last === "$") return variables(document);
    if (last === ":" || here.kind === "list") return this.#values();
    return here.fields.filter((field) => !here.given.includes(field.name)).map(described);
  }

  #fields() {
    return [...(this.here.of?.fields ?? []).map(described), entry("__typename", "String!")];
  }

  #values() {
    const type = this.here.named && this.schema.type(nameOf(this.here.named.type));
    if (type?.name === "Boolean") return [entry("true", "Boolean"), entry("false", "Boolean")];
    return (type?.enumValues ?? []).map((value) => entry(value.name, type.name));
  }

  #kinds(...kinds) {
    return [...this.schema.types.values()].filter((type) => kinds.includes(type.kind)).map(typed);
  }
}

const entry = (name, what) => ({ name, what });
const typed = (type) => entry(type.name, "type");
const described = (field) => entry(field.name, written(field.type));

function spreads(document) {
  return [entry("on", "a type"), ...after(document, "fragment").map((name) => entry(name, "fragment"))];
}

function variables(document) {
  return after(document, "$").map((name) => entry(name, "variable"));
}

function after(document, text) {
  const tokens = tokensOf(document).filter(({ kind }) => kind !== "comment");
  const names = tokens.filter(({ kind }, at) => kind === "name" && tokens[at - 1]?.text === text).map((token) => token.text);
  return [...new Set(names)];
}
