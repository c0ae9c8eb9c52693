// Files: the lines of a TSV in CP932, and what a dropped file is.

const TSV_LINE_END = "\r\n";

// one line in CP932, or {bad}: the characters that it has not; control characters would break the line
function encodeLine(cells) {
  const text = cells.join("\t") + TSV_LINE_END;
  const isLost = (char) => /[\p{Cc}]/u.test(char) || (char > "~" && !encodeChar(char).length);
  const bad = once(cells.flatMap((cell) => [...cell].filter(isLost)));
  if (bad) return { bad };
  return { bytes: Encoding.convert(Encoding.stringToCode(text), { from: "UNICODE", to: "SJIS" }) };
}

// the text of a file that a program on Windows or the service wrote; null: none of the encodings fits
function decodeText(bytes) {
  const labels = { "255,254": ["utf-16le"], "254,255": ["utf-16be"] }[`${bytes[0]},${bytes[1]}`] || ["utf-8", "shift_jis"];
  for (const label of labels) {
    try {
      return new TextDecoder(label, { fatal: true }).decode(bytes);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  return null;
}

function splitTsv(text) {
  const lines = text.split(/\r?\n/u);
  while (lines.length && !lines[lines.length - 1].trim()) lines.pop();
  return lines.map((line) => line.split("\t"));
}

const _PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/gu;

// {kind: "csr", csrs} | "key" | "certificate" | "inventory" {rows} | "tsv" {rows} | "unknown"
function recognise(bytes, tables) {
  if (bytes[0] === 0x30 && _isCsr(bytes, tables)) return { kind: "csr", csrs: [_base64(bytes)] };
  const text = decodeText(bytes);
  if (text === null) return { kind: "unknown" };
  if (/-----\s*BEGIN[A-Z0-9 ]*PRIVATE KEY/u.test(text)) return { kind: "key" };
  const blocks = [...text.matchAll(_PEM_BLOCK)];
  const rows = splitTsv(text);
  if (rows.some((row) => row.length >= 10)) {
    return rows[0][0] === tables.inventory[0] ? { kind: "inventory", rows } : { kind: "tsv", rows };
  }
  const csrs = blocks.filter(([, label]) => label.endsWith("CERTIFICATE REQUEST")).map(([block]) => oneLine(block));
  if (csrs.length) return { kind: "csr", csrs };
  if (blocks.length) return { kind: "certificate" };
  const der = decodeCsr(text, tables.csr.pem);
  return der && _isCsr(der, tables) ? { kind: "csr", csrs: [oneLine(text)] } : { kind: "unknown" };
}

// a request on one line, as column 7 takes it
function oneLine(text) {
  return text.trim().replace(/[\r\n]+/gu, "");
}

function _isCsr(bytes, tables) {
  try {
    return Boolean(readCsr(bytes, tables));
  } catch (error) {
    if (error instanceof DerFault || error instanceof TypeError) return false;
    throw error;
  }
}

function _base64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

// the kind that a row's columns say, as handlers/rules/tsv.py guesses it
function guessKind(rows, tables) {
  const kinds = new Set(rows.filter((row) => row.length >= 10).map((row) => _kindOf(row, tables.characters.padding)));
  return kinds.size === 1 ? [...kinds][0] : null;
}

function _kindOf(row, padding) {
  const [profile, serial, reason, csr, name] = [2, 4, 5, 7, 8].map((n) => trim(row[n - 1], padding));
  // a change of contact is no kind of application: it gives a contact but no reason
  if (!profile && !csr) return name && !reason ? "contact" : "revoke";
  return serial ? "renew" : "issue";
}
