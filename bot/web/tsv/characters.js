// Which characters a column may hold: handlers/rules/characters.py over the same tables.

function once(chars) {
  return [...new Set(chars)].join("");
}

function trim(text, padding) {
  const chars = [...text];
  while (chars.length && padding.includes(chars[0])) chars.shift();
  while (chars.length && padding.includes(chars[chars.length - 1])) chars.pop();
  return chars.join("");
}

// whole matches only, and by code points
function whole(pattern, flags = "") {
  return new RegExp(`^(?:${pattern})$`, `u${flags}`);
}

function findAll(text, pattern) {
  return once(text.match(new RegExp(pattern, "gu")) || []);
}

// the bytes of one character in CP932; [] where it has none
function encodeChar(char) {
  return Encoding.convert(Encoding.stringToCode(char), { from: "UNICODE", to: "SJIS", fallback: "ignore" });
}

const _standings = new Map();

function standing(char, rules) {
  if (char >= " " && char <= "~") return "allowed";
  if (!_standings.has(char)) _standings.set(char, _standing(char, rules));
  return _standings.get(char);
}

function _standing(char, rules) {
  const bytes = encodeChar(char);
  if (bytes.length !== 2) return "forbidden";
  if (rules.jis_x_0208.includes(bytes[0])) return "allowed";
  return rules.extension.includes(bytes[0]) ? "extension" : "forbidden";
}

function charsStanding(text, which, rules) {
  return once([...text].filter((char) => which.includes(standing(char, rules))));
}

// a value of the file, fit to be read: the invisible shown as U+202E, a long one cut
function showValue(value, longest) {
  const chars = [...value];
  const shown = chars.slice(0, longest).map((char) => (_isVisible(char) ? char : _codePoint(char)));
  return shown.join("") + (chars.length > longest ? "…" : "");
}

function _isVisible(char) {
  return char === " " || char === "\u3000" || !/[\p{C}\p{Z}\p{M}]/u.test(char);
}

function _codePoint(char) {
  return `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
