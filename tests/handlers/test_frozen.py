"""Between approval and issuing nothing may change: every column of all that belongs to an approved row is changed, one
at a time, in the store (threats AP1, 'frozen').

The columns come from the tables themselves: a new one is covered, or this fails until somebody says why it may change.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Column, Table, create_engine, select, text, update

from bot.prove import prove
from handlers import issue
from handlers.incoming import IncomingMail, MailKey, Material
from handlers.notices import Notice
from handlers.rules.row_errors import RowError
from store import applications, certificates
from store.states import Kind
from store.tables import (
    Application,
    Approval,
    Base,
    Blob,
    Certificate,
    Decision,
    Entry,
    JournalEntry,
    PublicKey,
)
from store.transaction import reading, writing
from tests.applications import NOW, SUZUKI, TANAKA, DeskWorld, a_mail, policies, signed, tsv_line
from tests.handlers.test_issue import plan

# changed, and issued all the same: it decides neither what is issued nor where it goes
HARMLESS = {
    "applications.state": "approved rows of an open, held or lapsed application are issued as well",
    "applications.mail_sha256": "evidence of where it came from; all that counts of it is in the file",
    "applications.message_id": "the thread in which the mails stand",
    "applications.file_name": "a word in mails",
    "applications.sender": "the certificate goes to column 10 of the approved line; who may approve is settled",
    "applications.uploader": "who may approve is settled",
    "applications.received_at": "a word in mails",
    "applications.deadline": "whether there is still time to approve is settled",
    "applications.held_at": "a hold ended before the last approval",
    "entries.failure": "written when a row fails, read by nobody who issues",
    "decisions.code": "what the signature covers is read from the mail, never from here",
    "decisions.rows": "which rows the signature covers is read from the mail, never from here",
    "decisions.status_sha256": "evidence of an earlier look: the signature is looked at again",
    "decisions.comment": "a word in mails",
    "decisions.decided_at": "when the signature is looked at again, its own time and the pin's days are judged",
}
# changed, and the row is no longer found as one to be issued: nothing comes of it, and nobody could tell why
LOST = {
    "applications.number": "the row belongs to no application",
    "entries.state": "the row does not wait for its certificate",
}


@dataclass
class Approved:
    """A row that two officers approved, and another application that is not finished."""

    world: DeskWorld
    number: str = ""
    entry: int = 0
    mails: dict[bytes, IncomingMail] = field(default_factory=dict)

    def approve(self, number: str, officer: str, key: str) -> None:
        mail = signed(f"承認\n\n> コード: {self.world.code(number)}\n", officer, key)
        assert mail.signature
        materials = (Material("key.asc", f"key of {officer}".encode()),)
        signature = replace(mail.signature, materials=materials, status=f"status of {officer}".encode())
        mail = replace(mail, raw=mail.raw + mail.text.encode(), signature=signature)
        self.mails[mail.raw] = mail
        self.world.receive(mail)

    def read(
        self, raw: bytes, key: MailKey, received_at: datetime, judged_at: datetime | None = None
    ) -> IncomingMail:
        """In the place of gpg: the mail that these bytes were, or one that nobody signed."""
        return self.mails.get(raw) or a_mail(text="")

    def change(self, table: Table, column: Column[Any], where: Any) -> None:
        """Straight in the store, as somebody with a database client would."""
        # an engine of its own, which leaves foreign keys alone
        client = create_engine(self.world.engine.url)
        with client.connect() as connection:
            if client.dialect.name == "postgresql":
                # as whoever owns the database can
                connection.execute(text("SET session_replication_role = replica"))
            old = connection.execute(select(column).where(where)).scalars().first()
            new = self._another(table, column, old)
            done = connection.execute(update(table).where(where).values({column.name: new}))
            assert done.rowcount
            connection.commit()
        client.dispose()

    def _another(self, table: Table, column: Column[Any], old: Any) -> Any:
        """Another value of the column's kind: of those that exist, where it points to something."""
        for key in column.foreign_keys:
            with self.world.engine.connect() as connection:
                others = select(key.column).where(key.column != old).order_by(key.column)
                return connection.execute(others).scalars().first()
        if isinstance(old, StrEnum):
            return next(each for each in type(old) if each is not old)
        changed: dict[type, Callable[[Any], Any]] = {
            bool: lambda value: not value,
            int: lambda value: value + 1_000,
            bytes: lambda value: value[:-1] + bytes([value[-1] ^ 1]),
            str: lambda value: value[:-1] + ("0" if value[-1:] != "0" else "1"),
            datetime: lambda value: value + timedelta(days=1),
            date: lambda value: value + timedelta(days=1),
        }
        if old is not None:
            return changed[type(old)](old)
        fresh: dict[type, Any] = {str: "1", int: 1, bytes: b"1", object: self.world.now}
        return fresh[column.type.python_type]

    def certify(self) -> list[Notice]:
        """What the certifier does with whatever is approved."""
        notices: list[Notice] = []
        with reading(self.world.engine) as session:
            waiting = applications.with_approved_entries(session, 10, tuple(Kind))
            proven = {a.number: prove(session, a, self) for a in waiting}  # type: ignore[arg-type]
        for number, rows in proven.items():
            notices += plan(self.world, number, rows)
        return notices

    def is_ordered(self) -> bool:
        with reading(self.world.engine) as session:
            return bool(session.scalars(select(Certificate).where(Certificate.entry_id == self.entry)).all())

    def approvals(self) -> list[str]:
        with reading(self.world.engine) as session:
            found = session.scalars(select(Approval).where(Approval.entry_id == self.entry))
            return [approval.officer for approval in found]

    def events(self) -> list[str]:
        with reading(self.world.engine) as session:
            return list(session.scalars(select(JournalEntry.event)))


@pytest.fixture
def approved(world: DeskWorld) -> Approved:
    world.change_institution(policies=policies(approvals=2))
    found = Approved(world)
    other = world.take(tsv_line("other.example.ac.jp"))
    found.approve(other, "suzuki", SUZUKI)
    # the second row: the other application has a first one of its own
    found.number = world.take(tsv_line(), tsv_line("test2.example.ac.jp"))
    found.approve(found.number, "suzuki", SUZUKI)
    found.approve(found.number, "tanaka", TANAKA)
    with reading(world.engine) as session:
        found.entry = session.get_one(Application, found.number).entries[1].id
    assert world.states(found.number) == ["approved", "approved"]
    return found


def _place(approved: Approved, table: Table) -> Any:
    """The row of `table` that belongs to the approved row; of several the last."""
    with reading(approved.world.engine) as session:
        entry = session.get_one(Entry, approved.entry)
        last = session.scalars(select(Decision.id).where(Decision.number == approved.number)).all()[-1]
        return {
            "applications": Application.number == approved.number,
            "entries": Entry.id == approved.entry,
            "decisions": Decision.id == last,
            "approvals": (Approval.entry_id == approved.entry) & (Approval.decision_id == last),
            "public_keys": PublicKey.sha256 == entry.public_key_sha256,
        }[table.name]


TABLES = [Base.metadata.tables[m.__tablename__] for m in (Application, Entry, Decision, Approval, PublicKey)]
COLUMNS = [(table, column) for table in TABLES for column in table.columns]


def test_an_untouched_row_is_issued(approved: Approved) -> None:
    assert approved.certify() == []
    assert approved.is_ordered()


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[f"{t.name}.{c.name}" for t, c in COLUMNS])
def test_AP1_a_changed_column_is_never_issued(approved: Approved, table: Table, column: Column[Any]) -> None:
    approved.change(table, column, _place(approved, table))
    _judge(approved, f"{table.name}.{column.name}")


def _judge(approved: Approved, name: str) -> None:
    notices = approved.certify()
    alarms = [n.letter.what for n in notices if n.letter.template == "monitor.alarm"]  # type: ignore[union-attr]
    if name in HARMLESS:
        assert (approved.is_ordered(), alarms) == (True, [])
    elif name in LOST:
        assert (approved.is_ordered(), alarms) == (False, [])
    else:
        assert not approved.is_ordered(), name
        # approvals of a row that is no more are nobody's
        assert approved.approvals() == [] or name == "entries.id"
        assert alarms in (["tampered"], ["unproven"]), name
        assert "voided" in approved.events(), name


def test_AP1_what_was_approved_for_another_instance_is_never_issued(approved: Approved) -> None:
    approved.world.desk = replace(approved.world.desk, instance="desk2.example.ac.jp")
    _judge(approved, "another instance")


BLOBS: dict[str, Callable[[Application, Decision], str]] = {
    "sheet": lambda application, _: application.sheet_sha256,
    "file": lambda application, _: application.file_sha256,
    "mail of the application": lambda application, _: application.mail_sha256,
    "mail of a decision": lambda _, decision: decision.mail_sha256,
    "status of a decision": lambda _, decision: decision.status_sha256,
    "key of a decision": lambda _, decision: applications.materials_of(decision)[0],
}


@pytest.mark.parametrize("column", ["sha256", "data"])
@pytest.mark.parametrize("blob", BLOBS)
def test_AP1_a_changed_document_is_never_issued(approved: Approved, blob: str, column: str) -> None:
    with reading(approved.world.engine) as session:
        application = session.get_one(Application, approved.number)
        decision = applications.decisions_on(session, approved.number)[-1]
        sha256 = BLOBS[blob](application, decision)
    table = Base.metadata.tables["blobs"]
    approved.change(table, table.columns[column], Blob.sha256 == sha256)
    _judge(approved, f"blobs: {blob}")


# an intent that is changed, and carried out all the same
HARMLESS_INTENT = {
    "id": "our own count",
    "issuer": "who signed stands in the signed bytes",
}
# an intent that is no longer found as one
LOST_INTENT = {
    "entry_id": "it belongs to another row, which has no certificate to come",
    "der": "bytes are there already: the signer is not asked, and no URL leads to them",
}
INTENT = Base.metadata.tables["certificates"]


@pytest.mark.parametrize("column", INTENT.columns, ids=[column.name for column in INTENT.columns])
def test_AP1_a_changed_intent_is_not_handed_over(approved: Approved, column: Column[Any]) -> None:
    approved.certify()
    der = _signed(approved)
    assert _faults(approved, der) == [()]
    if column.name == "replaces_id":
        # something to point to
        _intend_for_the_other(approved)
    approved.change(INTENT, column, Certificate.entry_id == approved.entry)
    if column.name in LOST_INTENT:
        assert _faults(approved, der) == []
    else:
        assert bool(_faults(approved, der)[0]) == (column.name not in HARMLESS_INTENT)


def test_a_certificate_with_another_key_is_not_handed_over(approved: Approved) -> None:
    approved.certify()
    assert _faults(approved, _signed(approved, ec.generate_private_key(ec.SECP384R1()).public_key())) != [()]


def _faults(approved: Approved, der: bytes) -> list[tuple[RowError, ...]]:
    """What stands against handing these bytes over for the row."""
    with reading(approved.world.engine) as session:
        found = [c for c in certificates.unsigned(session, 10) if c.entry_id == approved.entry]
        return list(issue.find_faults(approved.world.context(session), [(c, der) for c in found]).values())


def _signed(approved: Approved, key: Any = None) -> bytes:
    """What the signer gives for the intent as it was committed."""
    with reading(approved.world.engine) as session:
        intent = session.scalars(select(Certificate).where(Certificate.entry_id == approved.entry)).one()
        csr = x509.load_der_x509_csr(intent.entry.csr or b"")
        builder = x509.CertificateBuilder(
            issuer_name=csr.subject,
            subject_name=csr.subject,
            public_key=key or csr.public_key(),
            serial_number=int(intent.serial),
            not_valid_before=intent.not_before,
            not_valid_after=intent.not_after,
        )
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def _intend_for_the_other(approved: Approved) -> None:
    with writing(approved.world.engine) as session:
        other = session.scalars(select(Entry).where(Entry.number != approved.number)).one()
        certificates.intend(
            session, other, issuer="c" * 64, serial=7, not_before=NOW, not_after=NOW + timedelta(days=1)
        )


def test_every_table_that_points_to_an_approved_row_is_looked_at() -> None:
    """A new table is added to TABLES, or here with the reason why it is none of an approval's."""
    others = {
        "void_sheets": "codes that decide nothing",
        "refused_signatures": "texts that decide nothing",
        "certificates": "what came of the row: it has a test of its own above",
        "reply_tokens": "what applicants answer with",
        "returned_tsvs": "what we attached; it approves nothing without a signature over it",
        "batches": "sheets of many; a decision's own is read again from its mail",
        "file_urls": "files for officers",
        "other_names": "by which a row is found; what is issued is derived from the row",
    }
    named = {"applications", "entries", "decisions", "approvals", "blobs"}
    pointing = {
        table.name
        for table in Base.metadata.tables.values()
        if any(key.column.table.name in named for key in table.foreign_keys)
    }
    assert pointing <= {table.name for table in TABLES} | set(others)


def test_ID3_an_approval_that_is_stored_under_a_colleagues_name_counts_for_nobody(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    found = Approved(world)
    found.number = world.take(tsv_line())
    found.approve(found.number, "suzuki", SUZUKI)
    with writing(world.engine) as session:
        entry = session.get_one(Application, found.number).entries[0]
        found.entry = entry.id
        (decision,) = applications.decisions_on(session, found.number)
        session.add(Approval(entry_id=entry.id, officer="tanaka", decision_id=decision.id))
        session.execute(update(Entry).where(Entry.id == entry.id).values(state="approved"))
    found.certify()
    assert not found.is_ordered()
    assert found.approvals() == []
