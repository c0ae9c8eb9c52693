// Making elements and saying things. Text is always text: nothing here reads HTML.

const TABLES = JSON.parse(document.getElementById("tables").textContent);

function byId(id) {
  return document.getElementById(id);
}

// the page's words, with {n} filled in; a value may be a message
function t(key, values = {}) {
  return TABLES.page[state.language][key].replace(/\{(\w+)\}/gu, (_, name) => wordsOf(values[name]));
}

// what `t` takes, kept: it can be said again in the other language
function message(key, values = {}) {
  return { key, values };
}

function wordsOf(value) {
  return value?.key ? t(value.key, value.values) : value;
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

const _said = new Map();

// what happened, as messages, seen and heard: each place is a live region
function say(messages, place = "said") {
  _said.set(place, messages);
  byId(place).replaceChildren(...[messages].flat().map((one) => el("p", {}, wordsOf(one))));
}

// what stands in the live regions now
function allSaid() {
  return [..._said].filter(([place]) => byId(place)?.children.length);
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
