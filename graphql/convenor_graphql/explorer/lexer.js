/** Split documents into tokens, also while they are incomplete because the user is typing. */

// GraphQL specification (September 2025), section 2.1; an unclosed string or comment extends to its end.
const KINDS = {
  ignored: /[\s,\uFEFF]+/,
  comment: /#[^\n]*/,
  string: /"""(?:\\"""|[^])*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?/,
  name: /[_A-Za-z]\w*/,
  number: /-?\d[\w.+-]*/,
  mark: /\.\.\.|[^]/,
};
const TOKEN = new RegExp(
  Object.entries(KINDS).map(([kind, { source }]) => `(?<${kind}>${source})`).join("|"),
  "gy",
);

/** Return the tokens of a text: `kind` (comment, string, name, number, mark), `text`, and the place of its `end`. */
export function tokensOf(text) {
  const tokens = [];
  for (const found of text.matchAll(TOKEN)) {
    const [kind, value] = Object.entries(found.groups).find(([, value]) => value !== undefined);
    if (kind !== "ignored") tokens.push({ kind, text: value, end: found.index + value.length });
  }
  return tokens;
}

/** Return the names of a document's operations, in order. */
export function operationsIn(text) {
  const names = [];
  let depth = 0;
  let before = null;
  for (const token of tokensOf(text).filter(({ kind }) => kind !== "comment")) {
    if (depth === 0 && token.kind === "name" && ["query", "mutation"].includes(before?.text)) names.push(token.text);
    if ("{([".includes(token.text)) depth += 1;
    if ("})]".includes(token.text)) depth -= 1;
    // A fragment may be named `query`.
    before = before?.text === "fragment" ? null : token;
  }
  return names;
}
