/** The page's elements. Whatever is shown is text: nothing that was answered ever becomes markup. */

export const byId = (id) => document.getElementById(id);

/** A new element; children are elements or text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** A description: what stands in backticks is code. */
export function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
}
