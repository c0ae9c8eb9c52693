"""A store with a history: N certificates with all that belongs to them, as years of work leave it (SQLite only).

Rows are written in the driver's own form: a million certificates by way of the handlers would take days. What proves
something is true (digests, codes, the journal's chain, states and times agree); keys, CSRs, certificates and mails are
of real size and taken from a small pool. As many applications are open and as many dues are due in every store,
however large: what differs is the past.
"""

import json
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.schema import CreateIndex, DropIndex

from bot.bench.full_rows import DAYS, POOL, ROWS, Past, Rows, at_text, hex_of, make_shapes
from handlers.rules.sheet import Sheet, SheetRow, policy_digest
from store.dues import DueKind
from store.states import ApplicationState, EntryState, ErrorMode, Filed, Kind, OutboxState, Verb
from store.tables import Base

INSTITUTIONS = (
    100  # the first holds a tenth of all certificates and is the one that works; the others the rest
)
OPEN, DUE = 3, 20  # applications that wait for a decision; dues of certificates that are due now
_APPLICATIONS_AT_ONCE = 500
_OFFICER = "suzuki"
_MAIL = b"Subject: ringi\r\n\r\n" + b"x" * 494  # one that was sent
_REVOKED_OF, _UNFETCHED_OF = 100, 200  # every such certificate was revoked, was never fetched
_STEPS, _OFFICERS_STEPS = (60, 30, 14, 7, 1), (7, 1)
_PRAGMAS = (
    "journal_mode=OFF",
    "synchronous=OFF",
    "cache_size=-1000000",
    "foreign_keys=OFF",
    "temp_store=MEMORY",
)


@dataclass(frozen=True)
class _Asked:
    """An application. `old`: how many certificates before its own those stand that it renews."""

    number: str
    institution: str
    at: datetime
    kind: Kind
    old: int | None
    is_open: bool


def fill(engine: Engine, past: Past) -> None:
    """Write it into an empty store of the newest schema. Its indexes are made at the end, as that is faster."""
    if engine.dialect.name != "sqlite":
        raise ValueError("only an SQLite store is filled")
    borrowed = engine.raw_connection()
    connection = borrowed.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    indexes = [index for table in Base.metadata.sorted_tables for index in table.indexes]
    for index in indexes:
        connection.execute(str(DropIndex(index).compile(engine)))
    rows = Rows(past, make_shapes(past), random.Random(past.seed), policy_sha256=policy_digest(past.policy))
    _keep_shared(rows)
    for start in range(0, past.applications, _APPLICATIONS_AT_ONCE):
        for place in range(start, min(start + _APPLICATIONS_AT_ONCE, past.applications)):
            _closed_application(rows, place)
        _flush(connection, rows)
    for _ in range(OPEN):
        _application(rows, past.institution, past.now - timedelta(hours=2), Kind.ISSUE, is_open=True)
    _plan_due(rows)
    _flush(connection, rows)
    for index in indexes:
        connection.execute(str(CreateIndex(index).compile(engine)))
    # its settings must not be anybody else's
    borrowed.invalidate()


def _flush(connection: sqlite3.Connection, rows: Rows) -> None:
    connection.execute("BEGIN")
    for table, values in rows.tables.items():
        names = ",".join(column.name for column in Base.metadata.tables[table].columns)
        marks = ",".join("?" * len(values[0]))
        # the names are those of our own tables
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
    connection.execute("COMMIT")
    rows.tables.clear()


def _keep_shared(rows: Rows) -> None:
    for data in (b"mail", b"file", b"status"):
        rows.add("blobs", hex_of(data), data)


def _closed_application(rows: Rows, index: int) -> None:
    """The first half asks for new certificates; when these end, the second half renews them one by one."""
    past = rows.past
    half = past.applications // 2
    is_renewal, place = index >= half, index % half
    institution = past.institution if place % 10 == 0 else f"kikan-{place % (INSTITUTIONS - 1):02}"
    at = past.now - 2 * DAYS + (2 * DAYS - timedelta(days=2)) / past.applications * index
    _application(
        rows,
        institution,
        at.replace(microsecond=0),
        Kind.RENEW if is_renewal else Kind.ISSUE,
        old=half * ROWS if is_renewal else None,
    )


def _application(
    rows: Rows, institution: str, at: datetime, kind: Kind, *, old: int | None = None, is_open: bool = False
) -> None:
    """One of ten rows. `old`: how many certificates before its own those stand that it renews."""
    day = f"{at + timedelta(hours=9):%Y%m%d}"
    rows.numbers[day] = rows.numbers.get(day, 0) + 1
    number = f"A-{day}-{rows.numbers[day]:04}"
    first = rows.entries + 1
    names = [_name(rows, institution, entry, old) for entry in range(first, first + ROWS)]
    code = _sheet(rows, number, institution, kind, names)
    state = ApplicationState.OPEN if is_open else ApplicationState.CLOSED
    sender = f"applicant{first % 500}@{_domain(rows, institution)}"
    mail, file, status = hex_of(b"mail"), hex_of(b"file"), hex_of(b"status")
    rows.add(
        *("applications", number, institution, kind.value, ErrorMode.STOP_ALL.value, state.value, mail),
        *(f"<{number}@example.ac.jp>", file, "shinsei.tsv", "CP932", code[0], code[1], rows.past.policy.name),
        *(sender, None, at_text(at), at_text(at + timedelta(days=14)), None),
    )
    seqs = json.dumps(list(range(1, ROWS + 1)), separators=(",", ":"))
    rows.note(
        at,
        "taken",
        f'{{"file":"{file}","institution":"{institution}","kind":"{kind.value}","mail":"{mail}",'
        f'"number":"{number}","rows":{seqs},"sheet":"{code[0]}"}}',
    )
    _mail(rows, at, sender, "application", "taken", number, signed=False)
    rows.add("reply_tokens", hex_of(number.encode()), number, None, "received", at_text(at))
    if not is_open:
        at += timedelta(hours=1)
        rows.decisions += 1
        rows.add(
            *(
                "decisions",
                rows.decisions,
                number,
                code[1],
                _OFFICER,
                "5" * 40,
                Verb.APPROVE.value,
                seqs,
                0,
                "",
            ),
            *(mail, hex_of(b"signed" + number.encode()), status, "{}", at_text(at)),
        )
        _mail(rows, at, "suzuki@example.ac.jp", "decision", "approved", number, signed=True)
    for template in ("applicant.received", "officer.request", "officer.answer", "applicant.download"):
        _outgoing(rows, at, sender, template, number)
    asked = _Asked(number, institution, at, kind, old, is_open)
    for seq, name in enumerate(names, 1):
        _entry(rows, asked, seq, name)


def _entry(rows: Rows, asked: _Asked, seq: int, name: str) -> None:
    number, at, old, is_open = asked.number, asked.at, asked.old, asked.is_open
    rows.entries += 1
    entry, shape = rows.entries, rows.shapes[rows.entries % POOL]
    is_fetched = entry % _UNFETCHED_OF != 0
    state = EntryState.DOWNLOADED if is_fetched else EntryState.ISSUED
    key = f"{entry:064x}"
    contact = f"admin{entry % 500}@{_domain(rows, asked.institution)}"
    rows.add(
        *("entries", entry, number, seq, (EntryState.WAITING if is_open else state).value, shape.raw_line),
        *(
            f"CN={name},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP",
            rows.serials[entry - old - 1] if old else None,
        ),
        *(
            None,
            "",
            f"CN={name}",
            name,
            name,
            11,
            shape.csr,
            key,
            "EC P-256",
            "佐藤 花子",
            "情報基盤センター",
        ),
        *(contact, "Apache 2.4", None),
    )
    rows.add("public_keys", key, entry)
    if is_open:
        return
    # in their order: to put them at random places of the indexes would take longer than all the rest
    serial = str((1 << 95) + (entry << 60) + rows.chance.getrandbits(60))
    rows.serials.append(serial)
    end = at + DAYS - timedelta(seconds=1)
    fetched_at = at + timedelta(hours=1)
    rows.add("approvals", entry, _OFFICER, rows.decisions)
    revoked_at = at + timedelta(days=10) if entry % _REVOKED_OF == 37 else None
    if revoked_at and revoked_at > rows.past.now:
        revoked_at = None
    rows.add(
        *(
            "certificates",
            entry,
            entry,
            asked.institution,
            rows.past.issuer,
            serial,
            at_text(at),
            at_text(end),
            shape.der,
            at_text(at),
        ),
        *(at_text(fetched_at) if is_fetched else None, entry - old if old else None),
        *(at_text(revoked_at) if revoked_at else None, 4 if revoked_at else None),
    )
    rows.add(
        "download_urls",
        f"{entry:064x}",
        entry,
        at_text(at),
        at_text(at + timedelta(days=30)),
        at_text(fetched_at),
    )
    row, der = shape.digests
    about = f'"number":"{number}","'
    rows.note(at, "intended", f'{{{about}row":"{row}","seq":{seq},"serial":"{serial}"}}')
    rows.note(at, "issued", f'{{"certificate":"{der}",{about}seq":{seq},"serial":"{serial}"}}')
    if is_fetched:
        rows.note(fetched_at, "downloaded", f'{{{about}seq":{seq},"serial":"{serial}"}}')
    if revoked_at:
        rows.note(revoked_at, "revoked", f'{{"crl":1,{about}reason":4,"seq":{seq},"serial":"{serial}"}}')
    _plan(rows, serial, end, is_due=asked.institution == rows.past.institution and revoked_at is None)


def _plan(rows: Rows, serial: str, end: datetime, *, is_due: bool) -> None:
    """Its notices: those of the past are done. Of the newest that work, some are due now and the others come later."""
    now = rows.past.now
    for kind, steps in ((DueKind.EXPIRY, _STEPS), (DueKind.EXPIRY_OFFICERS, _OFFICERS_STEPS)):
        for step in steps:
            at = end - timedelta(days=step)
            is_done = at <= now + timedelta(days=1)
            rows.add("dues", None, kind.value, serial, at_text(at), at_text(at) if is_done else None)
    if is_due:
        rows.due.append(serial)
        del rows.due[:-DUE]


def _plan_due(rows: Rows) -> None:
    at = at_text(rows.past.now - timedelta(minutes=5))
    for serial in rows.due:
        rows.add("dues", None, DueKind.EXPIRY.value, serial, at, None)


def _mail(
    rows: Rows, at: datetime, sender: str, kind: str, reason: str, number: str, *, signed: bool
) -> None:
    rows.mails += 1
    digest, uid = hex_of(b"mail%d" % rows.mails), rows.mails
    rows.add(
        *(
            "mails",
            uid,
            "bot@127.0.0.1",
            "INBOX",
            1,
            uid,
            digest,
            f"<{uid}@example.ac.jp>",
            sender,
            at_text(at),
        ),
        *(at_text(at), kind, reason, int(signed), Filed.DONE.value, number),
    )
    rows.note(
        at,
        "handled",
        f'{{"answers":2,"kind":"{kind}","mail":"{digest}","number":"{number}","reason":"{reason}","uid":{uid},'
        f'"uidvalidity":1}}',
    )


def _outgoing(rows: Rows, at: datetime, to: str, template: str, number: str) -> None:
    rows.outgoing += 1
    sent = at_text(at + timedelta(seconds=5))
    rows.add(
        *("outbox", rows.outgoing, to, template, f"<{rows.outgoing}@desk.example.ac.jp>", number, _MAIL),
        *(OutboxState.SENT.value, 1, at_text(at), at_text(at), sent, None, 0, None, None),
    )


def _sheet(rows: Rows, number: str, institution: str, kind: Kind, names: Sequence[str]) -> tuple[str, str]:
    """Kept; its SHA-256 and its code."""
    lines = tuple(
        SheetRow(seq, rows.shapes[(rows.entries + seq) % POOL].digests[0], f"CN={name}")
        for seq, name in enumerate(names, 1)
    )
    policy = rows.past.policy
    sheet = Sheet(
        *(rows.past.instance, number, institution, kind, hex_of(b"file"), lines),
        *(policy.name, rows.policy_sha256, "0" * 64, rows.head, f"{rows.entries:032x}"),
    ).render()
    sha256 = hex_of(sheet)
    rows.add("blobs", sha256, sheet)
    return sha256, sha256[:32]


def _name(rows: Rows, institution: str, entry: int, old: int | None) -> str:
    return f"host{entry - old if old else entry}.{_domain(rows, institution)}"


def _domain(rows: Rows, institution: str) -> str:
    return "example.ac.jp" if institution == rows.past.institution else f"{institution}.example.jp"
