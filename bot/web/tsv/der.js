// DER (X.690), as far as a certificate request needs it: a tree of tags, and the values in its leaves.

class DerFault extends Error {}

const TAG = { BOOLEAN: 1, INTEGER: 2, BIT_STRING: 3, OCTET_STRING: 4, NULL: 5, OID: 6, SEQUENCE: 0x30, SET: 0x31 };
const _DEEPEST = 20;

// the one value that fills all the bytes
function readDer(bytes) {
  const node = _readNode(bytes, 0, bytes.length, 0);
  if (node.stop !== bytes.length) throw new DerFault("bytes after the end");
  return node;
}

function _readNode(bytes, start, limit, depth) {
  if (start + 2 > limit || depth > _DEEPEST) throw new DerFault("cut off, or too deep");
  const tag = bytes[start];
  if ((tag & 0x1f) === 0x1f) throw new DerFault("a tag of many bytes");
  const { length, at } = _readLength(bytes, start + 1, limit);
  const stop = at + length;
  if (stop > limit) throw new DerFault("cut off");
  const node = { tag, start, at, stop, content: bytes.subarray(at, stop), whole: bytes.subarray(start, stop), items: [] };
  if (tag & 0x20) {
    for (let next = at; next < stop; ) {
      const item = _readNode(bytes, next, stop, depth + 1);
      node.items.push(item);
      next = item.stop;
    }
  }
  return node;
}

function _readLength(bytes, at, limit) {
  const first = bytes[at];
  if (first < 0x80) return { length: first, at: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4 || at + 1 + count > limit) throw new DerFault("no definite length");
  let length = 0;
  for (const byte of bytes.subarray(at + 1, at + 1 + count)) length = length * 256 + byte;
  if (length < 0x80 || bytes[at + 1] === 0) throw new DerFault("a length that is not the shortest");
  return { length, at: at + 1 + count };
}

function expectTag(node, tag) {
  if (!node || node.tag !== tag) throw new DerFault("not what should stand here");
  return node;
}

function oidOf(node) {
  const numbers = [];
  let value = 0n;
  const bytes = expectTag(node, TAG.OID).content;
  if (!bytes.length || bytes[bytes.length - 1] & 0x80) throw new DerFault("an OID that is cut off");
  for (const byte of bytes) {
    value = (value << 7n) | BigInt(byte & 0x7f);
    if (!(byte & 0x80)) {
      numbers.push(value);
      value = 0n;
    }
  }
  const first = numbers[0] < 80n ? numbers[0] / 40n : 2n;
  return [first, numbers[0] - first * 40n, ...numbers.slice(1)].join(".");
}

// a BIT STRING of whole bytes
function bitsOf(node) {
  const bytes = expectTag(node, TAG.BIT_STRING).content;
  if (bytes[0] !== 0) throw new DerFault("bits that fill no byte");
  return bytes.subarray(1);
}

function positiveOf(node) {
  let bytes = expectTag(node, TAG.INTEGER).content;
  if (!bytes.length || bytes[0] & 0x80) throw new DerFault("a number that is not positive");
  if (bytes.length > 1 && bytes[0] === 0) {
    if (!(bytes[1] & 0x80)) throw new DerFault("a number that is not the shortest");
    bytes = bytes.subarray(1);
  }
  return bytes;
}

const _STRINGS = { 0x0c: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin1", 0x1e: "utf-16be" };

function textOf(node) {
  const encoding = _STRINGS[node.tag];
  if (!encoding) throw new DerFault("not a text");
  if (encoding === "ascii" && node.content.some((byte) => byte > 0x7f)) throw new DerFault("not ASCII");
  const label = encoding === "ascii" ? "utf-8" : encoding;
  return new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(node.content);
}
