// The viewer of 一覧 files: filters, copies a serial number, starts a row from a certificate.

const _MOST_ROWS = 200;
// columns of the file, counted from 1
const _AT = { dn: 4, profile: 5, names: 9, state: 12, name: 13, department: 14, mail: 15, fqdn: 16, software: 17, serial: 24, until: 27 };

function openInventory(name, rows) {
  state.inventory = { name, rows: rows.slice(1), text: "", only: "" };
  renderViewer();
  byId("viewer-heading").focus();
}

function _get(row, what) {
  return row[_AT[what] - 1] || "";
}

function _nameIn(row) {
  return _get(row, "fqdn") || _get(row, "dn");
}

function renderViewer() {
  const list = state.inventory;
  byId("viewer").hidden = !list;
  if (!list) return byId("viewer-body").replaceChildren();
  const filter = el("input", { id: "filter", type: "search", autocomplete: "off", on: { input: (event) => { list.text = event.target.value; renderTable(); } } });
  filter.value = list.text;
  const states = [...new Set(list.rows.map((row) => _get(row, "state")))].sort();
  const options = [["", t("viewer_all")], ...states.map((one) => [one, _stateName(one)])];
  const select = el("select", { id: "only", on: { change: (event) => { list.only = event.target.value; renderTable(); } } },
    ...options.map(([value, words]) => el("option", { value, selected: value === list.only }, words)));
  const fields = el("div", { class: "filters" },
    el("div", { class: "field" }, el("label", { for: "filter" }, t("viewer_filter")), filter),
    el("div", { class: "field" }, el("label", { for: "only" }, t("viewer_state")), select));
  const close = button(t("viewer_close"), () => { state.inventory = null; renderViewer(); byId("choose").focus(); });
  byId("viewer-body").replaceChildren(fields, el("p", { id: "viewer-count", role: "status" }), el("div", { id: "said-viewer", role: "status" }),
    el("div", { class: "scroll", id: "viewer-table", tabindex: "0", role: "region", "aria-label": t("viewer_caption") }), el("div", { class: "buttons" }, close));
  return renderTable();
}

function _stateName(code) {
  return `state_${code}` in TABLES.page[state.language] ? t(`state_${code}`) : code;
}

function _matches(row) {
  const { text, only } = state.inventory;
  if (only && _get(row, "state") !== only) return false;
  const words = text.normalize("NFKC").toLowerCase().split(/\s+/u).filter(Boolean);
  const within = Object.keys(_AT).map((what) => _get(row, what)).join("\t").normalize("NFKC").toLowerCase();
  return words.every((word) => within.includes(word));
}

function renderTable() {
  const { rows } = state.inventory;
  const found = rows.filter(_matches);
  const shown = found.slice(0, _MOST_ROWS);
  const more = found.length > shown.length ? ` ${t("viewer_shown", { n: shown.length })}` : "";
  byId("viewer-count").textContent = t("viewer_count", { n: found.length, total: rows.length }) + more;
  const heads = ["viewer_name", "viewer_state", "viewer_until", "viewer_serial", "viewer_contact", "viewer_actions"];
  const head = el("thead", {}, el("tr", {}, ...heads.map((key) => el("th", { scope: "col" }, t(key)))));
  byId("viewer-table").replaceChildren(el("table", {}, head, el("tbody", {}, ...shown.map(_tableRow))));
}

function _tableRow(row) {
  const contact = [_get(row, "name"), _get(row, "mail")].filter(Boolean).join(" ");
  const cells = [_stateName(_get(row, "state")), _get(row, "until").slice(0, 10), _get(row, "serial"), contact];
  const labels = ["viewer_state", "viewer_until", "viewer_serial", "viewer_contact"];
  const data = cells.map((text, place) => el("td", { "data-label": t(labels[place]), class: ["short", "short", "serial", "contact"][place] }, text));
  return el("tr", {}, el("th", { scope: "row" }, _nameIn(row)), ...data, el("td", {}, el("div", { class: "actions" }, ..._actions(row))));
}

function _actions(row) {
  const serial = _get(row, "serial");
  if (!serial) return [];
  const named = (key, action) => {
    const label = t("viewer_of", { action: t(key), name: _nameIn(row), serial });
    return button(t(key), action, { class: "small", "aria-label": label });
  };
  const isValid = ["4", "5", "6"].includes(_get(row, "state"));
  return [
    named("viewer_copy", () => _copySerial(serial)),
    named("viewer_renew", () => _start("renew", row)),
    ...(isValid ? [named("viewer_revoke", () => _start("revoke", row)), named("viewer_contact_change", () => _start("contact", row))] : []),
  ];
}

async function _copySerial(serial) {
  try {
    await navigator.clipboard.writeText(serial);
    say(message("viewer_copied", { serial }), "said-viewer");
  } catch {
    // no clipboard here, or it was refused
    say(message("viewer_copy_failed", { serial }), "said-viewer");
  }
}

async function _start(kind, row) {
  if (!prepareFor(kind)) return say(message("kind_differs", { kind: message(`kind_${state.kind}`) }), "said-viewer");
  const cells = Array(COLUMN_COUNT).fill("");
  const put = (number, what) => { cells[number - 1] = _get(row, what); };
  [[DN, "dn"], [PROFILE, "profile"], [SERIAL, "serial"], [8, "name"], [9, "department"], [MAIL, "mail"], [FQDN, "fqdn"], [12, "software"], [NAMES, "names"]].forEach(([n, what]) => put(n, what));
  const made = newRow(cells);
  // a new key may be of another kind than the old one: the CSR then chooses its profile
  made.filled[PROFILE] = _get(row, "profile");
  const place = placeRow(made);
  if (place < 0) return say(message("too_many_rows", { n: TABLES.max_rows }), "said-viewer");
  openRow(place, false);
  renderKinds();
  focusFirst({ renew: CSR, revoke: REASON, contact: 8 }[kind]);
  await refresh();
  return say(message("viewer_started", { name: _nameIn(row), kind: message(`kind_${kind}`), seq: place + 1 }), "said-rows");
}

// whether rows of this kind may be added: nothing of another kind is being made
function prepareFor(kind) {
  if (state.kind !== kind && !state.rows.every(isBlank)) return false;
  state.kind = kind;
  return true;
}

// where the row went: into an only, empty one or behind the last; -1: the file is full
function placeRow(row) {
  const isFirst = state.rows.length === 1 && isBlank(state.rows[0]);
  if (!isFirst && state.rows.length >= TABLES.max_rows) return -1;
  state.rows.splice(isFirst ? 0 : state.rows.length, isFirst ? 1 : 0, row);
  state.isSaved = false;
  return state.rows.length - 1;
}
