/** A text field with line numbers, indentation and completion at the cursor. */

import { element } from "./dom.js";

const INDENT = "  ";

export class Editor {
  #field;
  #numbers;
  #list;
  #names = () => ({ word: "", names: [] });
  #offered = [];
  #word = "";
  #from = 0;
  #active = 0;

  constructor(field) {
    this.#field = field;
    this.#numbers = field.parentElement.querySelector(".numbers");
    this.#list = field.parentElement.querySelector("[role=listbox]");
    field.addEventListener("input", (event) => this.#typed(event));
    field.addEventListener("keydown", (event) => this.#pressed(event));
    field.addEventListener("scroll", () => {
      this.#numbers.scrollTop = field.scrollTop;
      if (this.#offered.length) this.#place();
    });
    field.addEventListener("blur", () => this.#close());
    field.addEventListener("click", () => this.#close());
    this.#number();
  }

  get text() {
    return this.#field.value;
  }

  /** Set the function that returns `{ word, names }` for the text before the cursor and the complete text. */
  completeWith(names) {
    this.#names = names;
  }

  /** Replace the complete text, in a way that the user can undo. */
  replace(text) {
    this.#field.focus();
    this.#field.select();
    this.#insert(text);
    this.#field.setSelectionRange(0, 0);
    this.#field.scrollTop = 0;
    this.#close();
  }

  /** Move the cursor to a line and column, both from 1. */
  goTo(lineNumber, column) {
    const lines = this.text.split("\n").slice(0, lineNumber - 1);
    const place = lines.reduce((sum, line) => sum + line.length + 1, 0) + column - 1;
    this.#field.focus();
    this.#field.setSelectionRange(place, place);
  }

  // Deprecated, but the only way to change a field so that its undo works.
  #insert(text) {
    document.execCommand(text ? "insertText" : "delete", false, text);
  }

  #number() {
    const lines = this.text.split("\n").length;
    this.#numbers.textContent = Array.from({ length: lines }, (_, at) => at + 1).join("\n");
    this.#numbers.scrollTop = this.#field.scrollTop;
  }

  #typed(event) {
    this.#number();
    if (event.inputType === "insertText" && /^\w$/.test(event.data ?? "")) this.#offer();
    else if (event.inputType === "deleteContentBackward" && this.#offered.length) this.#offer();
    else this.#close();
  }

  #pressed(event) {
    if (event.isComposing) return;
    if (this.#handles(event)) event.preventDefault();
  }

  #handles(event) {
    const requested = event.key === " " && event.ctrlKey;
    if (!requested && (event.ctrlKey || event.metaKey || event.altKey)) return false;
    if (this.#offered.length && this.#listHandles(event)) return true;
    if (requested) this.#offer(true);
    else if (event.key === "Enter") this.#breakLine();
    else if (event.key === "}" || event.key === "]") this.#dedent(event.key);
    else return false;
    return true;
  }

  #breakLine() {
    const { selectionStart: at, selectionEnd: end } = this.#field;
    const line = this.text.slice(this.text.lastIndexOf("\n", at - 1) + 1, at);
    const indent = /^ */.exec(line)[0];
    const opens = /[{([]\s*$/.test(line);
    const closes = opens && /^[ ]*[})\]]/.test(this.text.slice(end));
    this.#insert(`\n${indent}${opens ? INDENT : ""}${closes ? `\n${indent}` : ""}`);
    const within = at + 1 + indent.length + INDENT.length;
    if (closes) this.#field.setSelectionRange(within, within);
  }

  #dedent(bracket) {
    const { selectionStart: at, selectionEnd: end } = this.#field;
    const line = this.text.slice(this.text.lastIndexOf("\n", at - 1) + 1, at);
    if (at === end && /^ {2,}$/.test(line)) this.#field.setSelectionRange(at - INDENT.length, at);
    this.#insert(bracket);
  }

  #offer(requested = false) {
    const at = this.#field.selectionStart;
    const { word, names } = this.#names(this.text.slice(0, at), this.text);
    // After a complete name, close the list so that Enter breaks the line.
    if (!requested && names.some(({ name }) => name === word)) return this.#close();
    this.#offered = names;
    this.#word = word;
    this.#active = 0;
    this.#from = at - word.length;
    return names.length ? this.#show() : this.#close();
  }

  /** Apply a key to the list of names; return whether the list handled it. */
  #listHandles({ key, shiftKey }) {
    if (key === "Escape") this.#close();
    else if (key === "ArrowDown") this.#activate(this.#active + 1);
    else if (key === "ArrowUp") this.#activate(this.#active - 1);
    else if (key === "Enter" || (key === "Tab" && !shiftKey)) this.#take(this.#offered[this.#active]);
    else return false;
    return true;
  }

  #take({ name }) {
    const at = this.#field.selectionStart;
    this.#field.setSelectionRange(at - this.#word.length, at);
    this.#insert(name);
    this.#close();
  }

  #show() {
    this.#list.replaceChildren(...this.#offered.map((offer, at) => this.#item(offer, at)));
    this.#list.hidden = false;
    this.#place();
    this.#activate(0);
  }

  /** Place the list under the beginning of the word. */
  #place() {
    const before = this.text.slice(0, this.#from).split("\n");
    const lineHeight = parseFloat(getComputedStyle(this.#field).lineHeight);
    const padding = parseFloat(getComputedStyle(this.#field).paddingTop);
    const left = `${this.#field.offsetLeft - this.#field.scrollLeft}px + .5rem + ${before.at(-1).length}ch`;
    this.#list.style.top = `${padding + before.length * lineHeight - this.#field.scrollTop}px`;
    this.#list.style.left = `min(${left}, 100% - ${this.#list.offsetWidth}px)`;
  }

  #item(offer, at) {
    const item = element("li", { role: "option", id: `name-${at}` }, offer.name, element("span", {}, offer.what));
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      this.#take(offer);
    });
    return item;
  }

  #activate(at) {
    const items = [...this.#list.children];
    this.#active = (at + items.length) % items.length;
    items.forEach((item, place) => item.setAttribute("aria-selected", place === this.#active));
    items[this.#active].scrollIntoView({ block: "nearest" });
    this.#field.setAttribute("aria-activedescendant", `name-${this.#active}`);
  }

  #close() {
    this.#offered = [];
    if (this.#list) this.#list.hidden = true;
    this.#field.removeAttribute("aria-activedescendant");
  }
}
