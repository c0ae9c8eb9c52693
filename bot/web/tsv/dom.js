// Making elements and saying things. Text is always text: nothing here reads HTML.

const TABLES = JSON.parse(document.getElementById("tables").textContent);

function byId(id) {
  return document.getElementById(id);
}

// the page's words, with {n} filled in
function t(key, values = {}) {
  return TABLES.page[state.language][key].replace(/\{(\w+)\}/gu, (_, name) => values[name]);
}

// el("p", { class: "hint", id: "x" }, "text"); `on` holds listeners, true and false make and leave an attribute
function el(tag, attributes = {}, ...children) {
  const { on = {}, ...named } = attributes;
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(named)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function button(words, action, attributes = {}) {
  return el("button", { type: "button", ...attributes, on: { click: action } }, words);
}

// new children, but those that are as they were stay the same elements: who is just pressing one is not disturbed
function patch(parent, children) {
  children.forEach((child, place) => {
    const now = parent.children[place];
    if (!now) parent.append(child);
    else if (!now.isEqualNode(child)) now.replaceWith(child);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

// what happened, seen and heard: each place is a live region
function say(messages, place = "said") {
  byId(place).replaceChildren(...[messages].flat().map((message) => el("p", {}, message)));
}

function columnsOf(kind) {
  return TABLES.kinds[kind];
}

function columnName(column) {
  return state.language === "ja" ? column.name : column.english;
}

// errors that appear while a pointer is down would move what is being pressed from under it, and the press be lost
let released = Promise.resolve();

function listenToPointer() {
  document.addEventListener("pointerdown", () => {
    released = new Promise((resolve) => {
      const done = () => setTimeout(resolve);
      for (const event of ["pointerup", "pointercancel", "dragend"]) document.addEventListener(event, done, { once: true });
    });
  }, true);
}
