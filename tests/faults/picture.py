"""What a desk has on record, so that two desks can be compared: no random value, no second of the clock."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path

from bot.demo.mailbox import parse
from store import journal
from store.transaction import open_store, reading
from tests.faults.site import Received

Picture = Counter[str]
STORE, LEDGER = "ringi.db", "signer.db"
# of a mail of ours only the Message-ID counts, and the whole of it is slow to read
_HEADERS = BytesHeaderParser(policy=compat32)
_ANY_SERIAL = re.compile(r"\d{20,}")
_ROW = "(SELECT e.number || '/' || e.seq FROM entries e WHERE e.id = {0})"
_CERTIFICATE = (
    "(SELECT e.number || '/' || e.seq FROM entries e JOIN certificates x ON x.entry_id = e.id WHERE {0})"
)
_QUERIES = {
    "application": "SELECT number, kind, state, sender, policy, uploader, held_at IS NULL FROM applications",
    "row": "SELECT number, seq, state, failure, subject_dn, reason FROM entries",
    "key": f"SELECT {_ROW.format('entry_id')} FROM public_keys",
    "decision": "SELECT number, officer, verb, rows, faultless_only, comment FROM decisions",
    "approval": f"SELECT {_ROW.format('entry_id')}, officer FROM approvals",
    "certificate": (
        f"SELECT {_ROW.format('entry_id')}, der IS NULL, issued_at IS NULL, downloaded_at IS NULL, "
        f"{_CERTIFICATE.format('x.id = c.replaces_id')}, revoked_at IS NULL, revocation_reason FROM certificates c"
    ),
    "list": "SELECT number FROM crls",
    "due": (
        "SELECT kind, what, substr(due_at, 1, 10), done_at IS NULL FROM dues"  # a serial is named below
    ),
    "token": "SELECT number, purpose FROM reply_tokens",
    "returned": "SELECT number FROM returned_tsvs",
    "url": f"SELECT {_CERTIFICATE.format('x.id = u.certificate_id')}, first_used_at IS NULL FROM download_urls u",
    "file url": "SELECT name, institution, first_used_at IS NULL FROM file_urls",
    "batch": "SELECT number FROM batches",
    "void": "SELECT number FROM void_sheets",
    "refused": "SELECT number, reason FROM refused_signatures",
    "attempt": "SELECT uid, count, error FROM attempts",
    "mail": "SELECT raw_sha256, kind, reason, filed, number, sender FROM mails",
    "outbox": "SELECT recipient, template, number, state FROM outbox",
    # every start notes the register
    "journal": "SELECT event FROM journal WHERE event <> 'register'",
    "lease": "SELECT name FROM leases",
}
_LEDGER = {
    "signed": "SELECT kind, cn, der IS NULL, old_serial IS NULL FROM signed_rows",
    "revoked": "SELECT reason FROM revoked_rows",
    "signed list": "SELECT number FROM signed_lists",
}


def take_picture(state: Path) -> Picture:
    """What is on record in this folder, as words with their number; raises ValueError where it contradicts itself."""
    with closing(sqlite3.connect(state / STORE)) as store, closing(sqlite3.connect(state / LEDGER)) as ledger:
        if not (_has(store, "outbox") and _has(ledger, "signed_lists")):
            return Counter()
        names = _names_of_serials(store)
        found = [*_read(store, _QUERIES, names), *_read(ledger, _LEDGER, names)]
        _check(store, ledger)
    return Counter(found)


def check_journal(state: Path) -> None:
    """Raises ValueError where an entry was changed, removed or moved."""
    engine = open_store(f"sqlite:///{state / STORE}")
    with reading(engine) as session:
        fault = journal.first_fault(session)
    engine.dispose()
    if fault:
        raise ValueError(f"the journal does not hold: {fault}")


def compare(found: Picture, expected: Picture) -> tuple[list[str], list[str]]:
    """What is missing, and what is too much."""
    return sorted((expected - found).elements()), sorted((found - expected).elements())


def sent_of(state: Path, received: Sequence[Received]) -> tuple[Picture, list[str], list[str]]:
    """Who got which mails; the Message-IDs of those that came more than once; mails that nobody answers for.

    A mail answers for itself by its bytes: they stand in the outbox under its Message-ID.
    """
    with closing(sqlite3.connect(state / STORE)) as store:
        query = "SELECT message_id, recipient, template, data FROM outbox"
        rows = store.execute(query).fetchall() if _has(store, "outbox") else []
    outbox = {(row[0], row[1]): (row[2], row[3]) for row in rows}
    seen: Counter[tuple[str, str]] = Counter()
    strangers = []
    for mail in received:
        key = (_HEADERS.parsebytes(mail.raw)["Message-ID"], mail.recipient)
        template, data = outbox.get(key, ("", b""))
        if data != mail.raw:
            strangers.append(
                f"{mail.recipient} got a mail that is not in the outbox: {parse(mail.raw)['Subject']}"
            )
            continue
        seen[key] += 1
    told = Counter(f"received {recipient} {outbox[id, recipient][0]}" for id, recipient in seen)
    return told, [id for (id, _), count in seen.items() for _ in range(count - 1)], strangers


def under_way(state: Path) -> frozenset[str]:
    """The Message-IDs of mails whose answer from the server is not on record."""
    with closing(sqlite3.connect(state / STORE)) as store:
        if not _has(store, "outbox"):
            return frozenset()
        rows = store.execute("SELECT message_id FROM outbox WHERE state IN ('sending', 'unknown')")
        return frozenset(row[0] for row in rows)


def hosts_by_number(state: Path) -> dict[str, str]:
    """An application's number -> the host of its first row."""
    with closing(sqlite3.connect(state / STORE)) as store:
        return dict(store.execute("SELECT number, fqdn FROM entries WHERE seq = 1"))


def is_sending(state: Path) -> bool:
    """Whether mails are still to go out."""
    with closing(sqlite3.connect(state / STORE)) as store:
        query = "SELECT 1 FROM outbox WHERE state IN ('queued', 'sending', 'retry', 'unknown') LIMIT 1"
        return store.execute(query).fetchone() is not None


def _has(base: sqlite3.Connection, table: str) -> bool:
    return base.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


def _read(base: sqlite3.Connection, queries: dict[str, str], names: dict[str, str]) -> Iterable[str]:
    for name, query in queries.items():
        for row in base.execute(query):
            words = json.dumps(row, ensure_ascii=False)
            yield f"{name} " + _ANY_SERIAL.sub(lambda m: names.get(m[0], m[0]), words)


def _names_of_serials(store: sqlite3.Connection) -> dict[str, str]:
    rows = store.execute(f"SELECT serial, {_ROW.format('entry_id')} FROM certificates")
    return {serial: f"<serial of {row}>" for serial, row in rows}


def _check(store: sqlite3.Connection, ledger: sqlite3.Connection) -> None:
    """No certificate but as the signer made it, no serial but as it was given. How many there are, the picture says."""
    ours = dict(store.execute("SELECT serial, der FROM certificates WHERE der IS NOT NULL"))
    theirs = dict(ledger.execute("SELECT serial, der FROM signed_rows WHERE der IS NOT NULL"))
    if not ours.items() <= theirs.items():
        raise ValueError("the store's certificates are not those that the signer made")
    given = {row[0] for row in ledger.execute("SELECT serial FROM given_serials")}
    if not set(ours) <= given:
        raise ValueError("a certificate has a serial that was never given")
    for base in (store, ledger):
        if base.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise ValueError("a database is damaged")
