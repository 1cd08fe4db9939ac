/** Documents as tokens. What is not whole yet, since somebody is typing, is read as far as it goes. */

// GraphQL specification (September 2025), section 2.1; an open string or comment reaches to its end.
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

/** The tokens of a text: `kind` (comment, string, name, number, mark), `text`, and where each `end`s. */
export function tokensOf(text) {
  const tokens = [];
  for (const found of text.matchAll(TOKEN)) {
    const [kind, its] = Object.entries(found.groups).find(([, value]) => value !== undefined);
    if (kind !== "ignored") tokens.push({ kind, text: its, end: found.index + its.length });
  }
  return tokens;
}

/** The names of a document's operations, in their order. */
export function operationsIn(text) {
  const names = [];
  let depth = 0;
  let before = null;
  for (const token of tokensOf(text).filter((it) => it.kind !== "comment")) {
    if (depth === 0 && token.kind === "name" && ["query", "mutation"].includes(before?.text)) names.push(token.text);
    if ("{([".includes(token.text)) depth += 1;
    if ("})]".includes(token.text)) depth -= 1;
    // A fragment may be named `query`.
    before = before?.text === "fragment" ? null : token;
  }
  return names;
}
