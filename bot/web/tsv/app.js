// Opening files, the language, the beginning.

async function refresh() {
  if (!(await judgeAll())) return false;
  await released;
  renderErrors();
  renderRows();
  renderFinish();
  return true;
}

async function openFiles(files) {
  const messages = [];
  const csrs = [];
  for (const file of files) {
    const found = recognise(new Uint8Array(await file.arrayBuffer()), TABLES);
    if (found.kind === "csr") csrs.push(...found.csrs);
    else if (found.kind === "tsv") await _takeRows(file.name, found.rows, messages);
    else if (found.kind === "inventory") {
      messages.push(message("read_inventory", { name: file.name, n: found.rows.length - 1 }));
      openInventory(file.name, found.rows);
    } else messages.push(message(`is_${found.kind}`, { name: file.name }));
  }
  // together: many files are many rows, shown once
  if (csrs.length) await _takeCsrs(csrs, messages);
  say(messages);
}

async function _takeCsrs(csrs, messages) {
  if (!isRequest() && state.rows.every(isBlank)) state.kind = "issue";
  if (!isRequest()) return messages.push(message("csr_not_wanted"));
  let taken = 0;
  for (const text of csrs) {
    const { csr } = await openCsr(text, TABLES);
    const row = rowForCsr(csr ? (valuesOf(csr.subject, "CN")[0] || "") : "");
    if (!row) {
      messages.push(message("too_many_rows", { n: TABLES.max_rows }));
      break;
    }
    setCell(row, CSR, text);
    row.seen.add(CSR);
    row.read = text;
    await fillFromCsr(row);
    state.current = state.rows.indexOf(row);
    taken++;
  }
  await renderAll();
  return taken ? messages.unshift(message("read_csrs", { n: taken })) : null;
}

async function _takeRows(name, rows, messages) {
  const kind = guessKind(rows, TABLES);
  if (!kind) return messages.push(message("kind_unclear", { name }));
  if (!prepareFor(kind)) return messages.push(message("kind_differs", { kind: message(`kind_${state.kind}`) }));
  let taken = 0;
  for (const cells of rows) {
    const row = newRow(cells);
    row.all = true;
    if (placeRow(row) < 0) break;
    taken++;
  }
  state.current = state.rows.length - taken;
  await renderAll();
  if (taken < rows.length) messages.push(message("too_many_rows", { n: TABLES.max_rows }));
  return messages.push(message("read_rows", { name, n: taken }));
}

async function readPasted() {
  const found = recognise(new TextEncoder().encode(byId("pasted").value), TABLES);
  const messages = [];
  if (found.kind === "csr") {
    await _takeCsrs(found.csrs, messages);
    byId("pasted").value = "";
  } else messages.push(["key", "certificate"].includes(found.kind) ? message(`is_${found.kind}`, { name: message("this_text") }) : message("not_csr"));
  say(messages);
}

async function renderAll() {
  document.documentElement.lang = state.language;
  document.title = t("title");
  document.querySelectorAll("[data-text]").forEach((one) => { one.textContent = t(one.dataset.text); });
  const other = state.language === "ja" ? "en" : "ja";
  byId("language").lang = other;
  byId("language").textContent = t("other_language");
  renderKinds();
  renderForm();
  renderRows();
  renderViewer();
  await refresh();
  showCurrent();
}

async function chooseLanguage(language) {
  const said = allSaid();
  state.language = language;
  await renderAll();
  for (const [place, messages] of said) say(messages, place);
}

function _listenToDrops() {
  const drop = byId("drop");
  // a file that misses the place must not replace the page
  for (const event of ["dragover", "drop"]) document.addEventListener(event, (dragged) => dragged.preventDefault());
  document.addEventListener("dragover", () => drop.classList.add("over"));
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (dropped) => {
    drop.classList.remove("over");
    openFiles([...dropped.dataTransfer.files]);
  });
}

function start() {
  const own = (navigator.languages || [navigator.language]).find((one) => /^(?:ja|en)\b/u.test(one)) || "en";
  state.language = document.body.dataset.language || own.slice(0, 2);
  byId("tool").hidden = false;
  byId("language").addEventListener("click", () => chooseLanguage(state.language === "ja" ? "en" : "ja"));
  byId("choose").addEventListener("click", () => byId("files").click());
  byId("files").addEventListener("change", async (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    await openFiles(files);
  });
  byId("read-pasted").addEventListener("click", readPasted);
  byId("check").addEventListener("click", showAll);
  byId("save").addEventListener("click", save);
  listenToPointer();
  listenToRows();
  byId("row").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("beforeunload", (event) => { if (!state.isSaved) event.preventDefault(); });
  _listenToDrops();
  renderAll();
}

start();
