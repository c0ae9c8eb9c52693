// What is being made: the kind, the rows, and what was found in them. A kind's unused columns keep what was typed, and
// are empty in the file.

const COLUMN_COUNT = 13;
const DN = 1, PROFILE = 2, SERIAL = 4, REASON = 5, CSR = 7, MAIL = 10, FQDN = 11, NAMES = 13;
const CONTACT = [8, 9, 10, 12];

const state = {
  language: "ja",
  kind: "issue",
  institution: TABLES.institutions.length === 1 ? TABLES.institutions[0].id : "",
  rows: [newRow()],
  current: 0,
  results: [],
  inventory: null,
  isSaved: true,
};

// filled: what the page put in itself, and may put in anew; seen: columns whose errors are shown; all: all of them
function newRow(cells = []) {
  return { cells: [...cells, ...Array(COLUMN_COUNT).fill("")].slice(0, Math.max(COLUMN_COUNT, cells.length)), filled: {}, seen: new Set(), all: false };
}

function cellOf(row, number) {
  return row.cells[number - 1];
}

function setCell(row, number, text) {
  row.cells[number - 1] = text;
  state.isSaved = false;
}

function isBlank(row) {
  return !row.cells.some((cell) => cell.trim());
}

function isRequest() {
  return state.kind === "issue" || state.kind === "renew";
}

function chosenInstitution() {
  return TABLES.institutions.find((one) => one.id === state.institution) || null;
}

// the row as the file has it
function fieldsOf(row) {
  const padding = TABLES.characters.padding;
  const used = columnsOf(state.kind).map((column, place) => (column.reserved ? "" : trim(row.cells[place], padding)));
  const surplus = row.cells.slice(COLUMN_COUNT).map((cell) => trim(cell, padding));
  return surplus.some(Boolean) ? [...used, ...surplus] : used;
}

let _turn = 0;

// judge all rows; false: another judging began meanwhile
async function judgeAll() {
  const turn = ++_turn;
  const isJudged = !isRequest() || chosenInstitution();
  const rows = state.rows.map(fieldsOf);
  const found = isJudged ? await judgeRows(state.kind, rows, chosenInstitution(), TABLES) : [];
  if (turn !== _turn) return false;
  state.results = found.map((one, place) => (rows[place].some(Boolean) ? one : _blankResult()));
  return true;
}

// in a form an empty row is fields to fill in, not a line to delete
function _blankResult() {
  return { errors: columnsOf(state.kind).flatMap((column) => checkCell(column, "", TABLES)), warnings: [] };
}

function resultOf(place) {
  return state.results[place] || { errors: [], warnings: [] };
}

// the errors of a row that its reader has come to: an empty form is no reproach
function shownErrors(place) {
  const row = state.rows[place];
  return resultOf(place).errors.filter((error) => row.all || !error.column || row.seen.has(error.column));
}

function rowName(row) {
  const parsed = parseDn(cellOf(row, DN), TABLES.dn);
  return cellOf(row, FQDN) || (parsed.dn ? valuesOf(parsed.dn, "CN")[0] : "") || cellOf(row, SERIAL) || t("row_empty");
}

// put a value in where nothing stands, or what the page put there itself
function fill(row, number, text) {
  const now = cellOf(row, number);
  if (!text || (now.trim() && now !== row.filled[number])) return;
  setCell(row, number, text);
  row.filled[number] = text;
  row.seen.add(number);
}

async function fillFromCsr(row) {
  const { csr } = await openCsr(trim(cellOf(row, CSR), TABLES.characters.padding), TABLES);
  if (!csr) return;
  const known = csr.subject.filter(([kind]) => TABLES.dn.order.includes(kind));
  const [cn = ""] = valuesOf(known, "CN");
  const profile = TABLES.profiles.find((one) => TABLES.csr.keys[one.key] === csr.key.name);
  fill(row, DN, dnText(known));
  fill(row, PROFILE, profile ? `${profile.id}` : "");
  fill(row, FQDN, cn);
  fill(row, NAMES, _joinNames(csr.dnsNames.filter((name) => name !== cn.toLowerCase())));
  const covering = TABLES.institutions.filter((one) => isBelow(cn.toLowerCase(), one.domains));
  if (!state.institution && covering.length === 1) state.institution = covering[0].id;
}

function _joinNames(names) {
  const prefixed = names.map((name) => `dNSName=${name}`).join(",");
  return prefixed.length <= columnsOf("issue")[NAMES - 1].max_length ? prefixed : names.join(",");
}

// a row for a CSR: the one that waits for it by name, an empty one, or a new one with the last row's contact
function rowForCsr(cn) {
  const waiting = state.rows.filter((row) => !cellOf(row, CSR).trim());
  const named = waiting.find((row) => cn && cellOf(row, FQDN).toLowerCase() === cn.toLowerCase());
  const free = waiting.find((row) => !cellOf(row, FQDN).trim() && !cellOf(row, DN).trim());
  return named || free || addRow();
}

// null: the file is full
function addRow() {
  if (state.rows.length >= TABLES.max_rows) return null;
  const last = state.rows[state.rows.length - 1];
  const row = newRow();
  if (last) for (const number of CONTACT) setCell(row, number, cellOf(last, number));
  state.rows.push(row);
  return row;
}

function copyContact(from) {
  for (const row of state.rows) for (const number of CONTACT) setCell(row, number, cellOf(from, number));
}
