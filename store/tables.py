"""The tables. Times are UTC in whole seconds; serial numbers are decimal text (32 digits do not fit an integer column);
bytes that prove something are kept once, under their SHA-256, in `blobs`."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from store.states import ApplicationState, EntryState, ErrorMode, Filed, Kind, OutboxState, Verb


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime in whole seconds; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime must not reach the store")
        return value.astimezone(UTC).replace(microsecond=0)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _word(cls: type[Any]) -> "TypeDecorator[Any]":
    """A column that holds a StrEnum by its value."""

    class Word(TypeDecorator[Any]):
        impl = String(32)
        cache_ok = True

        def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
            return None if value is None else str(cls(value).value)

        def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
            return None if value is None else cls(value)

    return Word()


_UNFETCHED = text("downloaded_at IS NULL")
_REVOKED = text("revoked_at IS NOT NULL")


class Base(DeclarativeBase):
    type_annotation_map = {datetime: Instant, date: Date, bytes: LargeBinary}


class Meta(Base):
    """Single facts about this store, by name."""

    __tablename__ = "meta"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Lease(Base):
    """Who is at work on what, and until when."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    until: Mapped[datetime]


class Blob(Base):
    """Bytes as they came or went: raw mails, TSV files, sheets."""

    __tablename__ = "blobs"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes]


class Mail(Base):
    """A mail whose handling is committed. `moved` is only a note: state never depends on the IMAP folder."""

    __tablename__ = "mails"
    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(String(255))
    folder: Mapped[str] = mapped_column(String(255))
    uidvalidity: Mapped[int] = mapped_column(BigInteger)
    uid: Mapped[int] = mapped_column(BigInteger)
    raw_sha256: Mapped[str] = mapped_column(String(64), index=True)
    message_id: Mapped[str | None] = mapped_column(String(998))
    sender: Mapped[str | None] = mapped_column(String(320))
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(32))
    signed: Mapped[bool] = mapped_column(default=False)  # a good signature by a pinned key
    filed: Mapped[Filed] = mapped_column(_word(Filed), index=True)
    number: Mapped[str | None] = mapped_column(String(96))  # an application's or a batch's
    __table_args__ = (
        UniqueConstraint("account", "folder", "uidvalidity", "uid"),
        Index("ix_mails_sender", "sender", "handled_at"),
    )


class Attempt(Base):
    """How often handling one mail raised; survives restarts (threats.md DOS4)."""

    __tablename__ = "attempts"
    account: Mapped[str] = mapped_column(String(255), primary_key=True)
    folder: Mapped[str] = mapped_column(String(255), primary_key=True)
    uidvalidity: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    uid: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    count: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    last_at: Mapped[datetime]


class Application(Base):
    """One mailed TSV that was taken, with the sheet that officers sign."""

    __tablename__ = "applications"
    number: Mapped[str] = mapped_column(String(32), primary_key=True)  # A-20261122-0007
    institution: Mapped[str] = mapped_column(String(64))
    kind: Mapped[Kind] = mapped_column(_word(Kind))
    error_mode: Mapped[ErrorMode] = mapped_column(_word(ErrorMode))  # at issuing: the officer's
    state: Mapped[ApplicationState] = mapped_column(_word(ApplicationState), index=True)
    mail_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    message_id: Mapped[str | None] = mapped_column(String(998))
    file_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    file_name: Mapped[str] = mapped_column(String(255))
    encoding: Mapped[str] = mapped_column(String(16))  # of the TSV: UTF-8 or CP932
    sheet_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    code: Mapped[str] = mapped_column(String(32), unique=True)
    policy: Mapped[str | None] = mapped_column(
        String(32)
    )  # its name; None: nothing in the register fits, it waits
    sender: Mapped[str] = mapped_column(String(320))
    uploader: Mapped[str | None] = mapped_column(
        String(32)
    )  # the officer whose key signed the mail it came in
    received_at: Mapped[datetime]
    deadline: Mapped[datetime] = mapped_column(index=True)
    held_at: Mapped[datetime | None]
    entries: Mapped[list["Entry"]] = relationship(order_by="Entry.seq", back_populates="application")
    __table_args__ = (Index("ix_applications_institution", "institution", "state"),)


class Entry(Base):
    """One row of an application, as it was read. What is issued is derived anew from `raw_line`, never from here."""

    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(ForeignKey("applications.number"))
    seq: Mapped[int]
    state: Mapped[EntryState] = mapped_column(_word(EntryState), index=True)
    raw_line: Mapped[bytes]
    subject_dn: Mapped[str] = mapped_column(String(250))
    old_serial: Mapped[str | None] = mapped_column(String(32), index=True)  # renewal, revocation: column 4
    reason: Mapped[int | None]  # revocation: column 5
    comment: Mapped[str] = mapped_column(String(128), default="")  # revocation: column 6
    match_key: Mapped[str] = mapped_column(String(250), index=True)  # CN and OU in lower case: the 212 rule
    fqdn: Mapped[str] = mapped_column(String(64), index=True)
    dns_names: Mapped[str] = mapped_column(Text)  # one a line
    profile_id: Mapped[int | None]  # this and the key's columns: not of a revocation
    csr: Mapped[bytes | None]
    public_key_sha256: Mapped[str | None] = mapped_column(String(64))
    public_key: Mapped[str] = mapped_column(String(16), default="")  # what kind: RSA 2048
    contact_name: Mapped[str] = mapped_column(String(64))
    contact_department: Mapped[str] = mapped_column(String(64))
    contact_mail: Mapped[str] = mapped_column(String(78))
    software: Mapped[str] = mapped_column(String(128))
    failure: Mapped[str | None] = mapped_column(Text)  # JSON of the row errors at issuing
    application: Mapped[Application] = relationship(back_populates="entries")
    __table_args__ = (UniqueConstraint("number", "seq"), Index("ix_entries_number", "number", "state"))


class OtherName(Base):
    """A DNS name of a row besides its `fqdn`, so that rows can be found by it."""

    __tablename__ = "other_names"
    name: Mapped[str] = mapped_column(String(253), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True)


class PublicKey(Base):
    """Every public key ever taken into an application (threats.md CSR3). `entry_id` is where it was first seen."""

    __tablename__ = "public_keys"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the SPKI
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"))


class Decision(Base):
    """One officer's signed decision that was carried out on one application. `rows`: JSON list of the SEQs it covered;
    `code`: of the sheet that was signed, the application's or a batch's."""

    __tablename__ = "decisions"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(ForeignKey("applications.number"), index=True)
    code: Mapped[str] = mapped_column(String(32))
    officer: Mapped[str] = mapped_column(String(32))
    fingerprint: Mapped[str] = mapped_column(String(64))
    verb: Mapped[Verb] = mapped_column(_word(Verb))
    rows: Mapped[str] = mapped_column(Text)
    faultless_only: Mapped[bool]
    comment: Mapped[str] = mapped_column(Text)
    mail_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    signed_sha256: Mapped[str] = mapped_column(String(64), index=True)
    status_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))  # what the verification said
    materials: Mapped[str] = mapped_column(Text)  # JSON: name -> SHA-256 of a blob: key, certificates, lists
    decided_at: Mapped[datetime] = mapped_column(index=True)
    # one signed text has one effect; two officers may well sign the same words
    __table_args__ = (UniqueConstraint("signed_sha256", "fingerprint", "number"),)


class Batch(Base):
    """All that was open for an institution on a day, as one sheet. Its code decides rows of many applications."""

    __tablename__ = "batches"
    number: Mapped[str] = mapped_column(String(96), primary_key=True)
    institution: Mapped[str] = mapped_column(String(64), index=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    sheet_sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"))
    made_at: Mapped[datetime]


class VoidSheet(Base):
    """A code that no longer decides anything: the application has a newer sheet."""

    __tablename__ = "void_sheets"
    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[str] = mapped_column(ForeignKey("applications.number"))
    voided_at: Mapped[datetime]


class RefusedSignature(Base):
    """A signed decision or upload that was refused, or a change of contacts: sent again it does nothing, also when
    nothing stands against it any more. `number`: None where there is no application."""

    __tablename__ = "refused_signatures"
    signed_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[str | None] = mapped_column(ForeignKey("applications.number"))
    reason: Mapped[str] = mapped_column(String(32))
    refused_at: Mapped[datetime]


class Approval(Base):
    """One officer's approval of one row: one person counts once."""

    __tablename__ = "approvals"
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    officer: Mapped[str] = mapped_column(String(32), primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"))


class Certificate(Base):
    """One certificate: first the intent (no `der`), then the signed bytes. Unique: one certificate an entry."""

    __tablename__ = "certificates"
    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), unique=True)
    institution: Mapped[str] = mapped_column(String(64), server_default="")  # its application's
    issuer: Mapped[str] = mapped_column(String(64))  # SHA-256 of the issuing CA's SPKI
    serial: Mapped[str] = mapped_column(String(32), index=True)
    not_before: Mapped[datetime]
    not_after: Mapped[datetime] = mapped_column(index=True)
    der: Mapped[bytes | None]
    issued_at: Mapped[datetime | None]
    downloaded_at: Mapped[datetime | None]
    replaces_id: Mapped[int | None] = mapped_column(
        ForeignKey("certificates.id"), index=True
    )  # renewal: the old one
    revoked_at: Mapped[datetime | None]  # set when the CRL that says so is stored
    revocation_reason: Mapped[int | None]
    entry: Mapped[Entry] = relationship()
    replaces: Mapped["Certificate | None"] = relationship(remote_side=id)
    __table_args__ = (
        UniqueConstraint("issuer", "serial"),
        # the few that nobody has fetched, by their end; of all and of one institution
        Index(
            "ix_certificates_unfetched",
            "downloaded_at",
            "not_after",
            sqlite_where=_UNFETCHED,
            postgresql_where=_UNFETCHED,
        ),
        Index(
            "ix_certificates_unfetched_of",
            "institution",
            "not_after",
            sqlite_where=_UNFETCHED,
            postgresql_where=_UNFETCHED,
        ),
        # what a list must say, without those that ended
        Index(
            "ix_certificates_revoked",
            "issuer",
            "not_after",
            sqlite_where=_REVOKED,
            postgresql_where=_REVOKED,
        ),
    )


class Crl(Base):
    """A revocation list as it was signed; the newest is served. `number` is monotonic (RFC 5280 5.2.3)."""

    __tablename__ = "crls"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]
    der: Mapped[bytes]


class Due(Base):
    """Something to be done once at a time: a reminder, an expiry notice. A clock that jumps never does it twice."""

    __tablename__ = "dues"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    what: Mapped[str] = mapped_column(String(64))  # an application's number, a serial
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("what", "kind", "due_at"),
        Index("ix_dues_open", "kind", "done_at", "due_at"),
    )


class Trouble(Base):
    """Something that is wrong now: from the first look that saw it to the one that saw it gone (store.troubles).

    `told_at`: since when the monitors know, None: it may still pass by itself. `stage`: how bad, where that grows.
    """

    __tablename__ = "troubles"
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    about: Mapped[str] = mapped_column(
        String(255), primary_key=True
    )  # a folder, a server, an institution's id
    since: Mapped[datetime]
    told_at: Mapped[datetime | None]
    stage: Mapped[int]
    detail: Mapped[str] = mapped_column(Text)


class ReplyToken(Base):
    """A word in a mail of ours; an answer that holds it comes from somebody who got that mail."""

    __tablename__ = "reply_tokens"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[str] = mapped_column(ForeignKey("applications.number"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"))
    purpose: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]


class ReturnedTsv(Base):
    """A revocation TSV as we attached it. `certificate_id`: the old certificate; `number`: of the renewal."""

    __tablename__ = "returned_tsvs"
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256"), primary_key=True)
    certificate_id: Mapped[int] = mapped_column(ForeignKey("certificates.id"), index=True)
    number: Mapped[str] = mapped_column(ForeignKey("applications.number"))


class DownloadUrl(Base):
    """A one-time URL; only the SHA-256 of its token is kept (threats.md URL2)."""

    __tablename__ = "download_urls"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    certificate_id: Mapped[int] = mapped_column(ForeignKey("certificates.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    first_used_at: Mapped[datetime | None]
    certificate: Mapped[Certificate] = relationship()


class FileUrl(Base):
    """A one-time URL of a file for an institution's officer, which is made when it is fetched; only the SHA-256 of its
    token is kept (threats URL2)."""

    __tablename__ = "file_urls"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    institution: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    first_used_at: Mapped[datetime | None]


class Outgoing(Base):
    """One frozen mail to one recipient, and where its sending stands."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(String(320))
    template: Mapped[str] = mapped_column(String(64))
    message_id: Mapped[str] = mapped_column(String(255), unique=True)
    number: Mapped[str | None] = mapped_column(String(96), index=True)
    data: Mapped[bytes]
    state: Mapped[OutboxState] = mapped_column(_word(OutboxState))
    attempts: Mapped[int] = mapped_column(default=0)
    queued_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None] = mapped_column(index=True)
    error: Mapped[str | None] = mapped_column(Text)
    counted: Mapped[bool] = mapped_column(default=False)  # an answer that anybody could cause
    holder: Mapped[str | None] = mapped_column(String(128))  # the process that began to send it last,
    held_until: Mapped[datetime | None]  # and how long it is believed to be sending
    __table_args__ = (
        Index("ix_outbox_recipient", "recipient", "queued_at"),
        Index("ix_outbox_due", "state", "due_at"),
        Index("ix_outbox_template", "template", "queued_at"),
    )


class WhoisAnswer(Base):
    """The organisations and registrants that WHOIS showed for a domain (JSON list), and when it was asked."""

    __tablename__ = "whois_answers"
    domain: Mapped[str] = mapped_column(String(253), primary_key=True)
    asked_at: Mapped[datetime]
    names: Mapped[str] = mapped_column(Text)


class JournalEntry(Base):
    """One line of the append-only journal; `hash` covers the one before (see store.journal)."""

    __tablename__ = "journal"
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(32))
    facts: Mapped[str] = mapped_column(Text)  # canonical JSON
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    __table_args__ = (Index("ix_journal_event", "event", "at"),)
