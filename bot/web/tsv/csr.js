// One certificate request (RFC 2986): read, its own signature verified, checked like handlers/rules/csr.py.

const _DIGESTS = {
  "1.2.840.113549.1.1.4": ["rsa", "md5"],
  "1.2.840.113549.1.1.5": ["rsa", "sha1"],
  "1.2.840.113549.1.1.14": ["rsa", "sha224"],
  "1.2.840.113549.1.1.11": ["rsa", "sha256"],
  "1.2.840.113549.1.1.12": ["rsa", "sha384"],
  "1.2.840.113549.1.1.13": ["rsa", "sha512"],
  "1.2.840.10045.4.1": ["ec", "sha1"],
  "1.2.840.10045.4.3.1": ["ec", "sha224"],
  "1.2.840.10045.4.3.2": ["ec", "sha256"],
  "1.2.840.10045.4.3.3": ["ec", "sha384"],
  "1.2.840.10045.4.3.4": ["ec", "sha512"],
  "1.3.101.112": ["", ""],
  "1.3.101.113": ["", ""],
};
const _PSS = "1.2.840.113549.1.1.10";
const _HASHES = {
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
  "2.16.840.1.101.3.4.2.4": "sha224",
};
const _SUBTLE = { sha1: "SHA-1", sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };
const _RSA = "1.2.840.113549.1.1.1";
const _EC = "1.2.840.10045.2.1";
const _CURVES = {
  "1.2.840.10045.3.1.7": ["secp256r1", 32],
  "1.3.132.0.34": ["secp384r1", 48],
  "1.3.132.0.35": ["secp521r1", 66],
  "1.3.132.0.10": ["secp256k1", 32],
};
const _OTHER_KEYS = { "1.3.101.112": "Ed25519", "1.3.101.113": "Ed448" };
const _EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const _ALTERNATIVE_NAMES = "2.5.29.17";
const _EMAIL_ADDRESS = "1.2.840.113549.1.9.1";

// the bytes that column 7 holds, null where it is not base64 between nothing or the lines of a request
function decodeCsr(text, pem) {
  const match = whole(pem).exec(text.trim());
  if (!match) return null;
  const body = (match[1] || match[2]).replace(/\s+/gu, "");
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u.test(body)) return null;
  return Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
}

// throws DerFault for what is no request
function readCsr(der, tables) {
  const [info, algorithm, signature, ...more] = expectTag(readDer(der), TAG.SEQUENCE).items;
  if (more.length) throw new DerFault("more than a request");
  const [version, subject, spki, attributes] = expectTag(info, TAG.SEQUENCE).items;
  if (expectTag(version, TAG.INTEGER).content.join() !== "0") throw new DerFault("another version");
  const signed = _readAlgorithm(expectTag(algorithm, TAG.SEQUENCE).items);
  const names = attributes ? _alternativeNames(attributes) : [];
  return {
    subject: _readName(subject, tables.dn),
    key: _readKey(spki, tables.csr),
    spki: spki.whole,
    digest: signed && signed[1] !== undefined ? signed[1] : null,
    signedBy: signed ? signed[0] : null,
    signature: bitsOf(signature),
    signedBytes: info.whole,
    dnsNames: names.filter(([tag]) => tag === 0x82).map(([, name]) => name.toLowerCase()),
    hasMailName: names.some(([tag]) => tag === 0x81),
  };
}

// [kind of key, digest]; undefined for one that we do not know
function _readAlgorithm([type, parameter, ...surplus]) {
  const oid = oidOf(type);
  if (oid === _PSS && parameter) {
    const hash = expectTag(parameter, TAG.SEQUENCE).items.find((item) => item.tag === 0xa0);
    return ["pss", hash ? _HASHES[oidOf(expectTag(hash.items[0], TAG.SEQUENCE).items[0])] : "sha1"];
  }
  if (surplus.length || (parameter && expectTag(parameter, TAG.NULL).content.length)) throw new DerFault("parameters");
  return _DIGESTS[oid];
}

// (type, value), CN first, in the order of the text form; what we do not use by its number, last
function _readName(node, dn) {
  const pairs = [];
  for (const set of expectTag(node, TAG.SEQUENCE).items) {
    for (const attribute of expectTag(set, TAG.SET).items) {
      const [type, value] = expectTag(attribute, TAG.SEQUENCE).items;
      const oid = oidOf(type);
      pairs.push([dn.types[oid] || oid, textOf(value).replace(/^ +| +$/gu, "")]);
    }
  }
  const rank = (kind) => (dn.order.includes(kind) ? dn.order.indexOf(kind) : dn.order.length);
  return pairs.reverse().sort((a, b) => rank(a[0]) - rank(b[0]));
}

function _readKey(node, rules) {
  const [algorithm, bits] = expectTag(node, TAG.SEQUENCE).items;
  const [type, parameter] = expectTag(algorithm, TAG.SEQUENCE).items;
  const oid = oidOf(type);
  if (oid === _RSA) {
    const [modulus, exponent] = expectTag(readDer(bitsOf(bits)), TAG.SEQUENCE).items;
    const n = positiveOf(modulus);
    const e = positiveOf(exponent);
    // what no library opens: an exponent that is even, 1, or longer than the modulus
    if (!(e[e.length - 1] & 1) || (e.length === 1 && e[0] < 3) || e.length > n.length) throw new DerFault("no exponent");
    return { type: "rsa", name: `RSA ${n.length * 8 - Math.clz32(n[0]) + 24}` };
  }
  if (oid === _EC) {
    const [curve, size] = _CURVES[oidOf(parameter)] || ["", 0];
    if (!curve) throw new DerFault("an unknown curve");
    return { type: "ec", name: `EC ${rules.curves[curve] || curve}`, curve: rules.curves[curve], size };
  }
  if (!_OTHER_KEYS[oid]) throw new DerFault("an unknown kind of key");
  return { type: "", name: _OTHER_KEYS[oid] };
}

function _alternativeNames(attributes) {
  const found = [];
  for (const attribute of attributes.items) {
    const [type, values] = expectTag(attribute, TAG.SEQUENCE).items;
    if (oidOf(type) !== _EXTENSION_REQUEST) continue;
    for (const extension of expectTag(expectTag(values, TAG.SET).items[0], TAG.SEQUENCE).items) {
      const parts = expectTag(extension, TAG.SEQUENCE).items;
      if (oidOf(parts[0]) !== _ALTERNATIVE_NAMES) continue;
      const list = readDer(expectTag(parts[parts.length - 1], TAG.OCTET_STRING).content);
      found.push(...expectTag(list, TAG.SEQUENCE).items.map((name) => [name.tag, _ascii(name)]));
    }
  }
  return found;
}

function _ascii(name) {
  if (name.tag !== 0x81 && name.tag !== 0x82) return "";
  if (name.content.some((byte) => byte > 0x7f)) throw new DerFault("not ASCII");
  return String.fromCharCode(...name.content);
}

// true, false, or null: this browser cannot tell (no secure context, an algorithm it does not have)
async function isSigned(csr) {
  const subtle = globalThis.crypto && globalThis.crypto.subtle;
  const hash = _SUBTLE[csr.digest];
  if (!subtle || !hash || csr.signedBy === "pss" || (csr.key.type === "ec" && !csr.key.curve)) return null;
  if (csr.signedBy !== csr.key.type) return false;
  const isRsa = csr.key.type === "rsa";
  const named = isRsa ? { name: "RSASSA-PKCS1-v1_5", hash } : { name: "ECDSA", namedCurve: csr.key.curve, hash };
  try {
    const key = await _openKey(subtle, csr.spki, named);
    const signature = isRsa ? csr.signature : _plainSignature(csr.signature, csr.key.size);
    return await subtle.verify(named, key, signature, csr.signedBytes);
  } catch (error) {
    if (error instanceof KeyFault) throw error;
    return error.name === "NotSupportedError" ? null : false;
  }
}

// a key that its own kind refuses, such as a point that lies on no curve
class KeyFault extends DerFault {}

async function _openKey(subtle, spki, named) {
  try {
    return await subtle.importKey("spki", spki, named, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") throw error;
    throw new KeyFault(error.message);
  }
}

// r and s side by side, as WebCrypto has them
function _plainSignature(der, size) {
  const numbers = expectTag(readDer(der), TAG.SEQUENCE).items.map(positiveOf);
  if (numbers.length !== 2 || numbers.some((n) => n.length > size)) throw new DerFault("no signature");
  const plain = new Uint8Array(2 * size);
  numbers.forEach((n, place) => plain.set(n, (place + 1) * size - n.length));
  return plain;
}

const _readCsrs = new Map();

// column 7, read once for each text: {csr} or {fault: where reading failed}
function openCsr(text, tables) {
  if (!_readCsrs.has(text)) _readCsrs.set(text, _openCsr(text, tables));
  return _readCsrs.get(text);
}

async function _openCsr(text, tables) {
  const der = decodeCsr(text, tables.csr.pem);
  if (!der) return { fault: "BEGIN/END, base64" };
  try {
    const csr = readCsr(der, tables);
    if (csr.digest === null) return { fault: "PKCS#10" };
    return { csr, signed: await isSigned(csr) };
  } catch (error) {
    if (error instanceof DerFault || error instanceof TypeError || error instanceof RangeError) return { fault: "PKCS#10" };
    throw error;
  }
}

async function checkCsr(text, profile, dn, tables) {
  const { CSR_UNREADABLE, CSR_SUBJECT, CSR_MAIL_ADDRESS, KEY_NOT_ALLOWED, CSR_DIGEST } = tables.codes;
  const { csr, signed, fault } = await openCsr(text, tables);
  if (fault) return { csr: null, errors: [rowError(CSR_UNREADABLE, 7, fault)] };
  const isDigestAllowed = !profile || profile.digests.includes(csr.digest);
  if (signed === false && isDigestAllowed) return { csr: null, errors: [rowError(CSR_UNREADABLE, 7, "signature")] };
  const errors = [];
  if (dn && !_isSameName(csr.subject, dn)) errors.push(rowError(CSR_SUBJECT, 7, dnText(csr.subject)));
  if (csr.hasMailName || csr.subject.some(([kind]) => kind === _EMAIL_ADDRESS)) errors.push(rowError(CSR_MAIL_ADDRESS, 7));
  if (profile && tables.csr.keys[profile.key] !== csr.key.name) {
    errors.push(rowError(KEY_NOT_ALLOWED, 7, csr.key.name, tables.csr.keys[profile.key]));
  }
  if (!isDigestAllowed) errors.push(rowError(CSR_DIGEST, 7, csr.digest.toUpperCase() || "-"));
  return { csr, errors };
}

// sets of (type, value): openssl writes C first; a mail address has an error of its own
function _isSameName(subject, dn) {
  const lines = (pairs) => [...new Set(pairs.map((pair) => pair.join("=")))].sort().join("\n");
  return lines(subject.filter(([kind]) => kind !== _EMAIL_ADDRESS)) === lines(dn);
}
