// The list of rows, the kind, the institution: what stands around the form.

const KINDS = ["issue", "renew", "revoke", "contact"];

function renderKinds() {
  const choices = KINDS.map((kind) => {
    const input = el("input", { type: "radio", name: "kind", id: `kind-${kind}`, value: kind, checked: kind === state.kind, "aria-describedby": `kind-hint-${kind}`, on: { change: () => chooseKind(kind) } });
    const label = el("label", { for: `kind-${kind}` }, t(`kind_${kind}`));
    return el("div", { class: "choice" }, input, label, el("p", { class: "hint", id: `kind-hint-${kind}` }, t(`kind_${kind}_hint`)));
  });
  byId("kinds").replaceChildren(el("legend", {}, t("kind_legend")), ...choices);
  renderWhere();
}

function renderWhere() {
  const isAsked = isRequest() && TABLES.institutions.length > 0;
  const where = chosenInstitution();
  const dn = where ? `O=${where.organization},L=${where.locality},ST=${where.state}` : "";
  const options = TABLES.institutions.map((one) => el("option", { value: one.id, selected: one.id === state.institution }, one.name));
  if (!where) options.unshift(el("option", { value: "", selected: true }, t("choose")));
  const select = el("select", { id: "institution", "aria-describedby": "institution-hint", on: { change: (event) => chooseInstitution(event.target.value) } }, ...options);
  const hint = el("p", { class: "hint", id: "institution-hint" }, where ? t("institution_hint", { dn }) : t("choose_institution"));
  byId("where").replaceChildren(...(isAsked ? [el("div", { class: "field" }, el("label", { for: "institution" }, t("institution")), hint, select)] : []));
}

function chooseInstitution(id) {
  state.institution = id;
  renderWhere();
  byId("institution").focus();
  renderForm();
  refresh();
}

function chooseKind(kind) {
  state.kind = kind;
  state.isSaved = state.rows.every(isBlank);
  renderWhere();
  renderForm();
  refresh();
}

function renderRows() {
  const many = state.rows.length > 1;
  byId("row-copy").hidden = !many || state.kind === "revoke";
  byId("row-remove").hidden = !many;
  byId("row-clear").hidden = state.rows.every(isBlank);
  renderRowList();
}

function listenToRows() {
  for (const [id, action] of [["row-add", _add], ["row-copy", _copy], ["row-remove", _remove], ["row-clear", clearAll]]) {
    byId(id).addEventListener("click", action);
  }
}

function renderRowList() {
  const many = state.rows.length > 1;
  byId("row-list").hidden = !many;
  byId("row-list").setAttribute("aria-label", t("row_list"));
  patch(byId("row-list"), many ? state.rows.map((row, place) => _rowItem(row, place)) : []);
}

function _rowItem(row, place) {
  const isCurrent = place === state.current;
  const words = [el("span", { class: "seq" }, `${place + 1}`), el("span", { class: "name" }, rowName(row)), _stateOf(place)];
  return el("li", {}, el("button", { type: "button", "aria-current": isCurrent ? "true" : null, on: { click: () => openRow(place, true) } }, ...words));
}

function _stateOf(place) {
  const errors = shownErrors(place).length;
  if (errors) return el("span", { class: "bad" }, t("row_errors", { n: errors }));
  const isDone = !resultOf(place).errors.length && state.results.length;
  return el("span", { class: isDone ? "good" : "open" }, t(isDone ? "row_ok" : "row_todo"));
}

function openRow(place, takesFocus) {
  state.current = Math.max(0, Math.min(place, state.rows.length - 1));
  renderForm();
  renderRows();
  showCurrent();
  if (takesFocus) focusFirst();
}

// within its list, without moving the page
function showCurrent() {
  const list = byId("row-list");
  const item = list.children[state.current];
  if (!item) return;
  const top = item.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + item.offsetHeight - list.clientHeight;
}

function focusFirst(number = 0) {
  const control = byId(`cell-${number}`) || byId("row").querySelector("textarea, input, select");
  control.focus();
}

async function _add() {
  if (!addRow()) return say(message("too_many_rows", { n: TABLES.max_rows }), "said-rows");
  openRow(state.rows.length - 1, true);
  await refresh();
  return say(message("row_added", { n: state.rows.length }), "said-rows");
}

async function _remove() {
  const gone = state.current;
  state.rows.splice(gone, 1);
  state.isSaved = false;
  openRow(gone, true);
  await refresh();
  say(message("row_removed", { n: gone + 1 }), "said-rows");
}

async function _copy() {
  copyContact(currentRow());
  for (const row of state.rows) CONTACT.forEach((number) => row.seen.add(number));
  await refresh();
  say(message("row_copied", { n: state.rows.length }), "said-rows");
}

async function clearAll() {
  if (!state.isSaved && !window.confirm(t("row_clear_sure", { n: state.rows.length }))) return;
  state.rows = [newRow()];
  openRow(0, true);
  state.isSaved = true;
  await refresh();
  say(message("rows_cleared"), "said-rows");
}
