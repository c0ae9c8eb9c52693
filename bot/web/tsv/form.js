// The form of one row: a field for each column of the kind, and its errors below it.

// what a person has at hand first: the CSR says most of the rest
const _FIELD_ORDER = [SERIAL, CSR, DN, PROFILE, FQDN, NAMES];
const _IS_WIDE = new Set([CSR, DN, NAMES, 6]);
const _QUIET_MS = 250;

let _isRendering = false;

function currentRow() {
  return state.rows[state.current];
}

function renderForm() {
  const columns = columnsOf(state.kind).filter((column) => !column.reserved);
  const rank = (column) => (_FIELD_ORDER.includes(column.number) ? _FIELD_ORDER.indexOf(column.number) : column.number + COLUMN_COUNT);
  const legend = el("legend", {}, t("row_legend", { n: state.current + 1 }));
  const fields = [...columns].sort((a, b) => rank(a) - rank(b)).map(_field);
  // what leaves the page loses its focus, and must not be read as if somebody had left it
  _isRendering = true;
  byId("row").replaceChildren(el("fieldset", {}, legend, el("ul", { class: "errors", id: "errors-0" }), ...fields));
  _isRendering = false;
  renderErrors();
}

function _field(column) {
  const { number } = column;
  const need = el("span", { class: column.required ? "need" : "may" }, t(column.required ? "required" : "optional"));
  const label = el("label", { for: `cell-${number}` }, `${number}. ${columnName(column)} `, need);
  const hint = el("p", { class: "hint", id: `hint-${number}` }, _hint(column));
  const control = _control(column);
  const key = number === CSR ? el("p", { class: "hint", id: "key-of-csr" }) : null;
  return el("div", { class: _IS_WIDE.has(number) ? "field wide" : "field" }, label, hint, control, key, el("ul", { class: "errors", id: `errors-${number}` }));
}

function _hint(column) {
  const { number } = column;
  const special = `hint_${number}_${state.kind}`;
  const key = [special, `hint_${number}`].find((one) => one in TABLES.page[state.language]);
  const where = chosenInstitution();
  const dn = `CN=www.example.ac.jp,O=${where ? where.organization : "…"},L=${where ? where.locality : "…"},ST=${where ? where.state : "…"},C=JP`;
  const form = t("form", { characters: t(`class_${column.characters}`), n: column.max_length });
  const parts = [number === REASON || number === PROFILE ? "" : form, key ? t(key, { dn }) : ""].filter(Boolean);
  return parts.join(state.language === "ja" ? "。" : "; ");
}

function _control(column) {
  const { number } = column;
  const shared = {
    id: `cell-${number}`,
    "aria-describedby": `hint-${number} errors-${number}`,
    "aria-required": column.required ? "true" : null,
    autocomplete: "off",
    on: { input: () => _typed(number), change: () => _left(number), blur: () => _left(number) },
  };
  if (number === PROFILE) return _select(shared, number, TABLES.profiles.map((one) => [`${one.id}`, t("profile", { id: one.id, key: TABLES.csr.keys[one.key] })]));
  if (number === REASON) return _select(shared, number, TABLES.reasons.map((one) => [`${one}`, t(`reason_${one}`)]));
  const isLong = number === CSR || number === DN || number === NAMES;
  const type = { [MAIL]: "email", [SERIAL]: "numeric" }[number];
  const made = isLong
    ? el("textarea", { ...shared, rows: number === CSR ? 4 : 2, spellcheck: "false" })
    : el("input", { ...shared, type: "text", inputmode: type || null, spellcheck: "false" });
  made.value = cellOf(currentRow(), number);
  return made;
}

function _select(shared, number, choices) {
  const value = cellOf(currentRow(), number);
  const known = choices.some(([one]) => one === value) || !value ? choices : [...choices, [value, value]];
  const options = [["", t("choose")], ...known].map(([one, words]) => el("option", { value: one, selected: one === value }, words));
  return el("select", shared, ...options);
}

function _valueIn(number) {
  // a row is one line: what a paste brings of line breaks is taken out
  return oneLine(byId(`cell-${number}`).value);
}

let _quiet = null;

function _typed(number) {
  setCell(currentRow(), number, _valueIn(number));
  clearTimeout(_quiet);
  const row = currentRow();
  _quiet = setTimeout(() => (number === CSR && row === currentRow() ? _left(number) : refresh()), _QUIET_MS);
}

async function _left(number) {
  if (_isRendering) return;
  const row = currentRow();
  const text = _valueIn(number);
  const isNew = text !== cellOf(row, number) || (number === CSR && row.read !== text);
  if (text === "" && !row.seen.has(number) && !row.all && document.activeElement === byId(`cell-${number}`)) return;
  if (isNew) setCell(row, number, text);
  row.seen.add(number);
  if (number === CSR && isNew) {
    row.read = text;
    await fillFromCsr(row);
    _showCells(row);
  }
  if (await refresh()) _hear(number);
}

// what the CSR filled in, without taking the focus away
function _showCells(row) {
  if (row !== currentRow()) return;
  for (const number of [DN, PROFILE, FQDN, NAMES]) {
    const control = byId(`cell-${number}`);
    if (control && control !== document.activeElement) control.value = cellOf(row, number);
  }
}

// for ears only: what is wrong with the field that was left
function _hear(number) {
  const mine = shownErrors(state.current).filter((error) => error.column === number);
  byId("heard").textContent = mine.map((error) => _words(error).cell).join(" ");
}

function _words(error) {
  return sayError(error, columnsOf(state.kind), state.language, TABLES);
}

function renderErrors() {
  const shown = [...shownErrors(state.current), ...resultOf(state.current).warnings];
  for (const { number } of [{ number: 0 }, ...columnsOf(state.kind)]) {
    const list = byId(`errors-${number}`);
    if (!list) continue;
    const mine = shown.filter((error) => (error.column || 0) === number);
    list.replaceChildren(...mine.map(_errorItem));
    const control = byId(`cell-${number}`);
    if (control) control.setAttribute("aria-invalid", mine.some((error) => error.code < TABLES.first_warning) ? "true" : "false");
  }
  _renderKey();
}

function _errorItem(error) {
  const { cell, cause, remedy } = _words(error);
  const isWarning = error.code >= TABLES.first_warning;
  const head = isWarning ? `【${t("warning")}】 ${cell}` : cell;
  const line = (label, text) => el("p", {}, `${t(label)}: ${text}`);
  return el("li", { class: isWarning ? "warning" : "error" }, el("p", { class: "cell" }, head), line("cause", cause), line("remedy", remedy));
}

async function _renderKey() {
  const row = currentRow();
  const { csr } = await openCsr(trim(cellOf(row, CSR), TABLES.characters.padding), TABLES);
  const place = byId("key-of-csr");
  if (place && row === currentRow()) place.textContent = csr ? t("key_of_csr", { key: csr.key.name }) : "";
}
