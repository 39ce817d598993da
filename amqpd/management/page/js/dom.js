// Making elements, and changing what is shown without replacing what stays the same.
// Text gets into the document through text nodes only; nothing here, or anywhere in the page, reads HTML.

const SVG = "http://www.w3.org/2000/svg";
const LONG = 30;
let ids = 0;

/** An id that no other element has. */
export function uniqueId(prefix = "id") {
  ids += 1;
  return `${prefix}-${ids}`;
}

/**
 * An HTML element: element("a", {href: link("queues"), class: "quiet", onclick: go}, "Queues", " ", element("b", {}, 5)).
 * Attributes that are functions are listeners (onclick, oninput), true is an empty attribute, and null, undefined and
 * false are left out. Children are nodes, texts, numbers and arrays of those; null, undefined and false are left out.
 */
export function element(tag, attributes = {}, ...children) {
  return furnished(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return furnished(document.createElementNS(SVG, tag), attributes, children);
}

function furnished(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...nodes(children));
  return made;
}

/** A flat array of nodes, of children as `element` takes them. */
export function nodes(children) {
  const found = [];
  for (const child of Array.isArray(children) ? children : [children]) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) found.push(...nodes(child));
    else found.push(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return found;
}

/** Show these children instead of what is there. */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
  return parent;
}

/**
 * The same, in place: what is equal stays the very same node, with its focus and its scrolling. What stays keeps the
 * listeners it had, so a listener must not remember anything that polling changes. Not for forms.
 */
export function update(parent, ...children) {
  const wanted = nodes(children);
  for (let at = 0; at < wanted.length; at += 1) {
    const there = parent.childNodes[at];
    if (there === undefined) parent.append(wanted[at]);
    else if (there !== wanted[at]) adapt(there, wanted[at]);
  }
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
  return parent;
}

function adapt(there, wanted) {
  if (there.isEqualNode(wanted)) return;
  if (there.nodeType === Node.TEXT_NODE && wanted.nodeType === Node.TEXT_NODE) {
    there.data = wanted.data;
    return;
  }
  if (there.nodeType !== Node.ELEMENT_NODE || there.nodeName !== wanted.nodeName) {
    there.replaceWith(wanted);
    return;
  }
  for (const {name} of [...there.attributes]) {
    if (!wanted.hasAttribute(name) && !(name === "open" && there.nodeName === "DETAILS")) there.removeAttribute(name);
  }
  for (const {name, value} of wanted.attributes) {
    if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  }
  update(there, ...wanted.childNodes);
}

/** A part of a page: a card with a heading. */
export function section(heading, ...children) {
  const id = uniqueId("section");
  return element(
    "section",
    {class: "card", "aria-labelledby": id},
    heading instanceof Node ? withId(heading, id) : element("h2", {id}, heading),
    ...children,
  );
}

function withId(node, id) {
  node.id = id;
  return node;
}

/** A part of a page that opens when its heading is pressed; for forms and what is seldom needed. */
export function folded(heading, ...children) {
  return element(
    "details",
    {class: "card folded"},
    element("summary", {}, element("h2", {}, heading)),
    element("div", {class: "folded-body"}, ...children),
  );
}

/** Names with values: facts([["State", "running"], ["Node", link]]); a pair whose value is undefined is left out. */
export function facts(pairs) {
  return element("dl", {class: "facts"}, factRows(pairs));
}

/** The rows of the same, to `update(list, factRows(pairs))`. */
export function factRows(pairs) {
  return pairs
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) =>
      element(
        "div",
        {},
        element("dt", {}, name),
        element("dd", {}, value === null || value === "" ? element("span", {class: "muted"}, "none") : value),
      ),
    );
}

/** What stands where a list would be, if there is nothing in it. */
export function emptyState(text, ...more) {
  return element("p", {class: "empty"}, text, ...more);
}

/** A small word with a colour: kind is "good", "warn", "bad" or "" (neutral); `title` explains it, or is all of it. */
export function badge(text, kind = "", title = text?.length > LONG ? text : null) {
  return element("span", {class: `badge ${kind}`.trim(), title}, text);
}

/** A button: button("Purge", purge, {class: "danger"}). */
export function button(label, onclick, attributes = {}) {
  return element("button", {type: "button", onclick, ...attributes}, label);
}

/** Something is told to whoever looks, or listens, for a few seconds: kind is "good" or "bad". */
export function notice(text, kind = "good") {
  const place = document.getElementById("notices");
  if (place === null) return;
  const shown = element("div", {class: `notice ${kind}`}, element("span", {}, text));
  shown.append(button("×", () => shown.remove(), {class: "plain", "aria-label": "Dismiss"}));
  place.append(shown);
  setTimeout(() => shown.remove(), kind === "bad" ? 15000 : 6000);
}
