// Subject DN and host names: handlers/rules/subject_dn.py, dns_names.py and name_checks.py over the same tables.

function dnText(pairs) {
  return pairs.map((pair) => pair.join("=")).join(",");
}

// {dn: (type, value) in the text's order} or {fault: the part at fault}
function parseDn(text, rules) {
  const pairs = [];
  for (const item of text.replace(/^ +| +$/gu, "").split(new RegExp(rules.separator, "iu"))) {
    const place = item.indexOf("=");
    const kind = item.slice(0, Math.max(place, 0)).toUpperCase();
    const value = item.slice(place + 1).replace(/^ +| +$/gu, "");
    if (!rules.order.includes(kind) || !value) return { fault: item };
    pairs.push([kind, value]);
  }
  const fault = _orderFault(pairs, rules);
  return fault ? { fault } : { dn: pairs };
}

function _orderFault(pairs, rules) {
  for (let n = 1; n < pairs.length; n++) {
    const [before, after] = [pairs[n - 1], pairs[n]].map(([kind]) => rules.order.indexOf(kind));
    if (after < before || (after === before && pairs[n][0] !== "OU")) return pairs[n].join("=");
  }
  const missing = ["CN", "O", "C"].find((kind) => !pairs.some(([found]) => found === kind));
  if (missing) return `${missing}=`;
  const [kind, value] = pairs[pairs.length - 1];
  return kind === "C" && value === rules.country ? null : `C=${value}`;
}

function valuesOf(dn, kind) {
  return dn.filter(([found]) => found === kind).map(([, value]) => value);
}

function splitDnsNames(text, rules) {
  const prefix = new RegExp(`^(?:${rules.prefix})`, "iu");
  const bare = (item) => item.replace(/^ +| +$/gu, "");
  return text.split(",").map((item) => bare(bare(item).replace(prefix, ""))).filter(Boolean);
}

// whether xn-- labels are good is left to the service: the tables of IDNA are too large for a page
function isDnsName(name, allowWildcard, rules) {
  if ([...name].length > rules.longest) return false;
  const labels = (allowWildcard ? name.replace(/^\*\./u, "") : name).split(".");
  const isLabel = (label) => whole(rules.label).test(label) && (label.slice(2, 4) !== "--" || label.startsWith("xn--"));
  return labels.length >= 2 && labels.every(isLabel) && !whole(rules.number).test(labels[labels.length - 1]);
}

function isBelow(name, domains) {
  return domains.some((domain) => name === domain || name.endsWith(`.${domain}`));
}

function mailIsBelow(address, domains) {
  return isBelow(address.slice(address.lastIndexOf("@") + 1), domains);
}

// the names of a row as far as they can be read; columns in `faulty` were told already
function readNames(cells, faulty, institution, tables) {
  const errors = [];
  let dn = null;
  if (!faulty.has(1)) {
    const parsed = parseDn(cells[0], tables.dn);
    if (parsed.fault) errors.push(rowError(tables.codes.FORM, 1, parsed.fault));
    else {
      dn = parsed.dn;
      errors.push(..._checkDn(dn, institution, tables));
    }
  }
  const fqdn = faulty.has(11) ? "" : cells[10];
  const others = faulty.has(13) ? [] : splitDnsNames(cells[12], tables.names);
  errors.push(..._checkNames(dn, fqdn, others, institution, tables));
  const own = (dn ? valuesOf(dn, "CN")[0] : fqdn).toLowerCase();
  return { dn, dnsNames: [...new Set([own, ...others.map((name) => name.toLowerCase())])], errors };
}

function _checkDn(dn, institution, tables) {
  const { TOO_LONG } = tables.codes;
  const errors = [];
  const text = dn.filter(([kind]) => kind !== "CN").map(([, value]) => value).join("");
  const bad = findAll(text, tables.characters.not_dn_value);
  if (bad) errors.push(charactersError(1, bad, tables));
  for (const value of [valuesOf(dn, "CN")[0], valuesOf(dn, "OU").join("")]) {
    if (value.length > tables.dn.longest) errors.push(rowError(TOO_LONG, 1, `${tables.dn.longest}`, `${value.length}`));
  }
  return [...errors, ..._checkRegistered(dn, institution, tables.codes), ..._checkUnits(dn, institution, tables.codes)];
}

function _checkRegistered(dn, institution, codes) {
  const errors = [];
  const [organization] = valuesOf(dn, "O");
  if (organization !== institution.organization) {
    errors.push(rowError(codes.ORGANIZATION, 1, institution.organization, organization));
  }
  for (const [kind, code, registered] of [
    ["L", codes.LOCALITY, institution.locality],
    ["ST", codes.STATE, institution.state],
  ]) {
    const [found] = valuesOf(dn, kind);
    if (found === undefined) errors.push(rowError(codes.STATE_OR_LOCALITY_MISSING, 1, kind, registered));
    else if (found !== registered) errors.push(rowError(code, 1, registered, found));
  }
  return errors;
}

function _checkUnits(dn, institution, codes) {
  const code = { allowlist: codes.OU_NOT_LISTED, forbid: codes.OU_NOT_USED, drop: codes.OU_DROPPED }[institution.ou_policy];
  const isFine = (unit) => institution.ou_policy === "allowlist" && institution.units.includes(unit);
  return valuesOf(dn, "OU").filter((unit) => !isFine(unit)).map((unit) => rowError(code, 1, unit));
}

function _checkNames(dn, fqdn, others, institution, tables) {
  const { codes } = tables;
  const errors = [];
  const named = fqdn ? [[11, fqdn]] : [];
  const cn = dn ? valuesOf(dn, "CN")[0] : "";
  if (dn && cn.toLowerCase() !== fqdn.toLowerCase()) {
    if (fqdn) errors.push(rowError(codes.CN_NOT_FQDN, 11, cn, fqdn));
    named.push([1, cn]);
  } else if (dn && cn !== cn.toLowerCase()) errors.push(rowError(codes.NAME_LOWERED, 1, cn.toLowerCase()));
  named.push(...[...new Set(others)].map((name) => [13, name]));
  for (const [column, name] of named) errors.push(..._checkName(column, name, institution, tables));
  const folded = others.map((name) => name.toLowerCase());
  const repeated = new Set(folded.filter((name, place) => folded.indexOf(name) !== place));
  const first = [...new Set(folded)].filter((name) => repeated.has(name));
  return [...errors, ...first.map((name) => rowError(codes.NAME_REPEATED, 13, name))];
}

function _checkName(column, written, institution, tables) {
  const { codes } = tables;
  const name = written.toLowerCase();
  if (!isDnsName(name, institution.allow_wildcard, tables.names)) return [rowError(codes.NAME_FORM, column, written)];
  const errors = [];
  if (!isBelow(name, institution.domains)) {
    errors.push(rowError(codes.OUTSIDE_DOMAINS, column, name, institution.domains.join(", ")));
  }
  if (name !== written) errors.push(rowError(codes.NAME_LOWERED, column, name));
  return errors;
}
