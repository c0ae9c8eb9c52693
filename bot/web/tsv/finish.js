// Checking, saving, writing the mail.

const _MOST_LISTED = 20;

function allErrors() {
  return state.results.flatMap(({ errors }, place) => errors.map((error) => ({ error, place })));
}

function isEmpty() {
  return state.rows.every((row) => !fieldsOf(row).some(Boolean));
}

function hasErrors() {
  return allErrors().length > 0 || (isRequest() && !chosenInstitution());
}

// all in place: a button that is replaced between press and release gets no click
function renderFinish() {
  byId("state").textContent = wordsOf(_stateNow());
  _renderErrorList();
  const isDraft = hasErrors();
  byId("save").hidden = isEmpty();
  byId("save").textContent = t(isDraft ? "save_draft" : "save");
  byId("save").classList.toggle("first", !isDraft);
  byId("left").textContent = t(state.kind === "contact" ? "left_contact" : "left_text");
  _renderMails();
}

function _stateNow() {
  if (isEmpty()) return message("state_empty");
  if (isRequest() && !chosenInstitution()) return message("choose_institution");
  const found = allErrors();
  const bad = new Set(found.map(({ place }) => place)).size;
  return bad ? message("state_errors", { rows: state.rows.length, bad, n: found.length }) : message("state_ok", { n: state.rows.length });
}

// only once somebody asked for it
function _renderErrorList() {
  const shown = allErrors().filter(({ place }) => state.rows[place].all);
  const items = shown.slice(0, _MOST_LISTED).map(({ error, place }) => {
    const { cell } = sayError(error, columnsOf(state.kind), state.language, TABLES);
    return el("li", {}, button(t("go_to", { seq: place + 1, cell }), () => _goTo(place, error.column), { class: "link" }));
  });
  if (shown.length > _MOST_LISTED) items.push(el("li", {}, t("error_more", { n: shown.length - _MOST_LISTED })));
  byId("error-box").hidden = !shown.length;
  patch(byId("errors"), items);
}

function _goTo(place, column) {
  openRow(place, false);
  focusFirst(column);
}

async function showAll() {
  for (const row of state.rows) row.all = true;
  await refresh();
  if (!byId("error-box").hidden) byId("error-list").focus();
  say(_stateNow(), "said-finish");
}

async function save() {
  for (const row of state.rows) row.all = true;
  await refresh();
  const lines = state.rows.map((row) => encodeLine(fieldsOf(row)));
  const broken = lines.findIndex((line) => line.bad);
  if (broken >= 0) return say(message("cannot_save", { chars: showValue(lines[broken].bad, TABLES.longest_shown), seq: broken + 1 }), "said-finish");
  const isDraft = hasErrors();
  const name = fileName(isDraft);
  _download(name, lines.map((line) => Uint8Array.from(line.bytes)));
  state.isSaved = true;
  return say(message(isDraft ? "saved_draft" : "saved", { name }), "said-finish");
}

function fileName(isDraft) {
  const what = state.rows.length === 1 ? rowName(state.rows[0]) : `${state.rows.length}rows`;
  const safe = what.replace(/[^A-Za-z0-9.-]/gu, "_").replace(/^\.+/u, "").slice(0, 100);
  return `${isDraft ? "draft-" : ""}${state.kind}-${safe || "row"}.tsv`;
}

function _download(name, parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/tab-separated-values" }));
  const link = el("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function _renderMails() {
  const isContact = state.kind === "contact";
  const subject = t(`subject_${state.kind}`);
  byId("mails").hidden = isEmpty() || (isContact && hasErrors());
  byId("mails-text").textContent = t(isContact ? "mail_contact_text" : "mail_first");
  byId("mail-apply").textContent = t(isContact ? "mail_contact" : "mail_apply");
  _renderMail("mail-check", t("subject_check", { subject }), isContact);
  _renderMail("mail-apply", subject, hasErrors());
}

function _renderMail(id, subject, isHidden) {
  const isContact = state.kind === "contact";
  const body = isContact ? t("body_contact") : t("body_apply", { name: fileName(hasErrors()), n: state.rows.length });
  const query = `subject=${encodeURIComponent(subject)}&body=${encodeURIComponent(`${body}\r\n`)}`;
  const link = byId(id);
  link.href = `mailto:${TABLES.address}?${query}`;
  link.parentElement.hidden = isHidden;
  byId(`${id}-to`).textContent = t("mail_to", { address: TABLES.address, subject });
}
