/** Find and make the page's elements. Answers are shown as text and never become markup. */

export const byId = (id) => document.getElementById(id);

/** Make an element; children are elements or text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** Split a description into text and, in backticks, code. */
export function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
}
