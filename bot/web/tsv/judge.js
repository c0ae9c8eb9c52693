// All errors of all rows: handlers/rules/column_checks.py, checks.py, serial_rows.py, revocation.py and
// contact_update.py over the same tables. Left to the service is what handlers/rules/tsv_tables.py names in LEFT_TO_SERVICE.

function rowError(code, column, ...values) {
  return { code, column, values };
}

function charactersError(column, chars, tables) {
  const shown = [...chars].slice(0, tables.most_shown).map((char) => (char === " " ? "U+0020" : char));
  return rowError(tables.codes.CHARACTERS, column, shown.join(" "));
}

// rows: arrays of cells as they stand in the file; institution: null where a kind does not ask for it
async function judgeRows(kind, rows, institution, tables) {
  const isRequest = kind === "issue" || kind === "renew";
  const drafts = [];
  for (const fields of rows) {
    drafts.push(isRequest ? await _readRequest(kind, fields, institution, tables) : _readSerialRow(kind, fields, tables));
  }
  const seen = new Map();
  drafts.forEach((draft, place) => _findDuplicates(draft, place + 1, seen, tables));
  return drafts.map((draft) => ({
    errors: draft.found.filter((e) => e.code < tables.first_warning).slice(0, tables.most_errors),
    warnings: draft.found.filter((e) => e.code >= tables.first_warning).slice(0, tables.most_errors),
  }));
}

function isQuoted(field) {
  return field.length >= 2 && field.startsWith('"') && field.endsWith('"');
}

// what is wrong with the row as a whole and with each cell; cells: null where columns cannot be told apart
function _readCells(kind, fields, tables) {
  const { codes } = tables;
  const columns = tables.kinds[kind];
  const wanted = columns.length;
  if (!/[^ \t\r]/u.test(fields.join("\t"))) return { cells: null, found: [rowError(codes.COLUMN_COUNT, null, "0", "13")] };
  const found = fields.flatMap((field, place) => (isQuoted(field) ? [rowError(codes.QUOTED, place + 1)] : []));
  const cells = fields.map((field) => trim(isQuoted(field) ? field.slice(1, -1) : field, tables.characters.padding));
  const fewest = Math.max(...columns.filter((column) => column.required).map((column) => column.number));
  const most = tables.most_columns[kind];
  if (cells.length < fewest || cells.slice(wanted).some(Boolean) || (most && cells.length > most)) {
    const said = most ? `${fewest}-${most}` : `${wanted}`;
    return { cells: null, found: [...found, rowError(codes.COLUMN_COUNT, null, `${cells.length}`, said)] };
  }
  const filled = columns.map((_, place) => cells[place] || "");
  return { cells: filled, found: [...found, ...columns.flatMap((column, place) => checkCell(column, filled[place], tables))] };
}

function _faultyColumns(found, tables) {
  const isFault = (e) => e.column && e.code < tables.first_warning && e.code !== tables.codes.QUOTED;
  return new Set(found.filter(isFault).map((e) => e.column));
}

function checkCell(column, cell, tables) {
  const { codes } = tables;
  if (column.reserved) return cell ? [rowError(codes.MUST_BE_EMPTY, column.number)] : [];
  if (!cell) return column.required ? [rowError(codes.REQUIRED, column.number)] : [];
  const length = [...cell].length;
  const isLong = length > column.max_length;
  const long = isLong ? [rowError(codes.TOO_LONG, column.number, `${column.max_length}`, `${length}`)] : [];
  return [...long, ..._CLASSES[column.characters](column.number, cell, tables)];
}

const _CLASSES = {
  DIGITS: (number, cell, { codes }) => (/^[0-9]+$/u.test(cell) ? [] : [rowError(codes.NOT_DIGITS, number)]),
  ASCII(number, cell, tables) {
    const bad = findAll(cell, tables.characters.not_ascii);
    return bad ? [charactersError(number, bad, tables)] : [];
  },
  MAIL(number, cell, tables) {
    const bad = findAll(cell, tables.characters.not_mail);
    if (bad) return [charactersError(number, bad, tables)];
    return whole(tables.characters.mail_address).test(cell) ? [] : [rowError(tables.codes.FORM, number, cell)];
  },
  TEXT(number, cell, tables) {
    const rules = tables.characters;
    const forbidden = charsStanding(cell, rules.strict ? ["forbidden", "extension"] : ["forbidden"], rules);
    const bad = (rules.formula_starts.includes([...cell][0]) ? [...cell][0] : "") + forbidden;
    const errors = bad ? [charactersError(number, bad, tables)] : [];
    const extensions = rules.strict ? "" : charsStanding(cell, ["extension"], rules);
    if (extensions) errors.push(rowError(tables.codes.EXTENSION_CHARACTERS, number, [...extensions].join(" ")));
    return errors;
  },
};

// a row of a new certificate or a renewal. marks: what must not stand in two rows
async function _readRequest(kind, fields, institution, tables) {
  const { codes } = tables;
  const { cells, found } = _readCells(kind, fields, tables);
  if (!cells) return { found, marks: [] };
  const faulty = _faultyColumns(found, tables);
  const ids = tables.profiles.map((profile) => profile.id);
  const profile = faulty.has(2) ? null : tables.profiles.find((one) => one.id === Number(cells[1])) || null;
  if (!profile && !faulty.has(2)) found.push(rowError(codes.PROFILE, 2, ids.join(", ")));
  const names = readNames(cells, faulty, institution, tables);
  found.push(...names.errors);
  let csr = null;
  if (!faulty.has(7)) {
    const checked = await checkCsr(cells[6], profile, names.dn, tables);
    csr = checked.csr;
    found.push(...checked.errors);
  }
  if (!faulty.has(10) && !mailIsBelow(cells[9].toLowerCase(), institution.applicant_domains)) {
    found.push(rowError(codes.CONTACT_OUTSIDE, 10, cells[9]));
  }
  const ignored = csr ? csr.dnsNames.filter((name) => !names.dnsNames.includes(name)) : [];
  if (ignored.length) found.push(rowError(codes.CSR_NAMES_IGNORED, 7, ignored.join(", ")));
  const marks = names.dnsNames[0] ? [[11, names.dnsNames[0]]] : [];
  if (csr) marks.push([7, `key ${csr.spki.join(".")}`]);
  return { found, marks };
}

// a row that names one certificate by subject DN and serial number
function _readSerialRow(kind, fields, tables) {
  const { codes } = tables;
  const { cells, found } = _readCells(kind, fields, tables);
  if (!cells) return { found, marks: [] };
  const faulty = _faultyColumns(found, tables);
  if (!faulty.has(1)) {
    const { fault } = parseDn(cells[0], tables.dn);
    if (fault) found.push(rowError(codes.FORM, 1, fault));
  }
  if (kind === "revoke") found.push(..._checkReason(cells, tables));
  return { found, marks: faulty.has(4) ? [] : [[4, BigInt(cells[3]).toString()]] };
}

function _checkReason(cells, tables) {
  const { codes } = tables;
  if (/^[0-9]+$/u.test(cells[4]) && !tables.reasons.map(String).includes(cells[4])) return [rowError(codes.REASON_CODE, 5)];
  return cells[4] === `${tables.unspecified}` && !cells[5] ? [rowError(codes.COMMENT_NEEDED, 6)] : [];
}

function _findDuplicates(draft, seq, seen, tables) {
  const repeats = draft.marks.filter(([, mark]) => seen.has(mark));
  draft.found.push(...repeats.map(([column, mark]) => rowError(tables.codes.DUPLICATE, column, `${seen.get(mark)}`)));
  for (const [, mark] of draft.marks) if (!seen.has(mark)) seen.set(mark, seq);
}

// エラー内容, 原因, 対処方法 of an error, as a mail has them
function sayError(error, columns, language, tables) {
  const words = tables.words[`${error.code}/${error.column}`] || tables.words[`${error.code}`];
  const values = [...error.values.map((value) => showValue(value, tables.longest_shown)), "-", "-"];
  const [text, cause, remedy] = words[language].map((said) => said.replace(/\{(\d)\}/gu, (_, place) => values[place]));
  const column = columns[error.column - 1] || { name: "", english: "" };
  const where = error.column ? `${error.column}.${language === "ja" ? column.name : column.english}` : "";
  return { cell: `${error.code}:${where},${text}`, cause, remedy };
}
