"""The signer's own memory, in a file of its own: which serials it gave, what it signed, what it revoked.

Nothing here is ever changed back: a serial is given once, a row gets one certificate, a public key belongs to one row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import (
    Date,
    Engine,
    ForeignKey,
    LargeBinary,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from store.slices import slices
from store.states import Kind
from store.tables import Instant
from store.transaction import open_store, reading, writing

_VERSION = 1


class LedgerFault(Exception):
    """The file is not a ledger that this program can use, or can't be made."""

    temporary = False


class LedgerBase(DeclarativeBase):
    type_annotation_map = {datetime: Instant, date: Date, bytes: LargeBinary}


class LedgerId(LedgerBase):
    """Which ledger this is: one word, by chance. A copy of the file has the same."""

    __tablename__ = "ledger_id"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)


class GivenSerial(LedgerBase):
    """A serial that was given out, and when: what is signed with it begins then."""

    __tablename__ = "given_serials"
    serial: Mapped[str] = mapped_column(String(32), primary_key=True)
    given_at: Mapped[datetime]


class SignedRow(LedgerBase):
    """One row of one sheet and its certificate: first the intent (no `der`), then the signed bytes."""

    __tablename__ = "signed_rows"
    sheet_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    serial: Mapped[str] = mapped_column(ForeignKey("given_serials.serial"), unique=True)
    issuer: Mapped[str] = mapped_column(String(64))  # SHA-256 of the CA's SPKI
    public_key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    institution: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    raw_line: Mapped[bytes]
    encoding: Mapped[str] = mapped_column(String(16))
    subject_dn: Mapped[str] = mapped_column(String(250))
    cn: Mapped[str] = mapped_column(String(64))  # lower case
    old_serial: Mapped[str | None] = mapped_column(String(32), index=True)  # of a renewal
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    der: Mapped[bytes | None]


class RevokedRow(LedgerBase):
    """A certificate that is revoked, and the row that asked for it."""

    __tablename__ = "revoked_rows"
    serial: Mapped[str] = mapped_column(ForeignKey("given_serials.serial"), primary_key=True)
    sheet_sha256: Mapped[str] = mapped_column(String(64))
    seq: Mapped[int]
    reason: Mapped[int]
    revoked_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("sheet_sha256", "seq"),)


class SignedList(LedgerBase):
    """A revocation list as it was signed. Only the newest keeps its bytes."""

    __tablename__ = "signed_lists"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    issuer: Mapped[str] = mapped_column(String(64))
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]
    revocations: Mapped[int]  # how many there were in all when it was signed
    der: Mapped[bytes]


def open_ledger(path: Path) -> Engine:
    """The ledger at `path`, made if it is missing, readable by its owner only. Raises LedgerFault."""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
    except OSError as error:
        raise LedgerFault(f"signer.ledger: {path}: {error.strerror}") from error
    engine = open_store(f"sqlite:///{path}")
    with writing(engine) as session:
        found = session.scalar(text("PRAGMA user_version"))
        if found not in (0, _VERSION):
            raise LedgerFault(f"{path} is of another version of this program ({found}, not {_VERSION})")
        LedgerBase.metadata.create_all(session.connection())
        session.execute(text(f"PRAGMA user_version = {_VERSION}"))
    return engine


def id_of(engine: Engine, random: Callable[[int], bytes]) -> str:
    """The ledger's id, 32 hex digits; made when it is first asked for, also in a ledger of a version that had none."""
    with reading(engine) as session:
        found = find_id(session)
    if found is not None:
        return found
    with writing(engine) as session:
        found = find_id(session)
        if found is None:
            found = random(16).hex()
            session.add(LedgerId(id=found))
    return found


def find_id(session: Session) -> str | None:
    return session.scalar(select(LedgerId.id))


def give_serials(session: Session, serials: Iterable[int], now: datetime) -> None:
    """Write down what is given out. A serial that was given before is refused by the table."""
    session.execute(insert(GivenSerial), [{"serial": str(serial), "given_at": now} for serial in serials])


def given_at(session: Session, serials: Iterable[str]) -> dict[str, datetime]:
    """Of those that were given, when."""
    found: dict[str, datetime] = {}
    for some in slices(list(serials)):
        query = select(GivenSerial.serial, GivenSerial.given_at).where(GivenSerial.serial.in_(some))
        found |= {row.serial: row.given_at for row in session.execute(query)}
    return found


def used_serials(session: Session, serials: Iterable[str]) -> set[str]:
    """Those that a certificate has, intended or signed."""
    found: set[str] = set()
    for some in slices(list(serials)):
        found.update(session.scalars(select(SignedRow.serial).where(SignedRow.serial.in_(some))))
    return found


def signed_rows(session: Session, sheet_sha256: str) -> dict[int, SignedRow]:
    """The certificates of a sheet's rows, intended or signed, by SEQ."""
    query = select(SignedRow).where(SignedRow.sheet_sha256 == sheet_sha256)
    return {row.seq: row for row in session.scalars(query)}


def keep_signed(session: Session, sheet_sha256: str, signed: Mapping[int, bytes]) -> None:
    """The signed bytes (DER) of intents, by SEQ."""
    table = SignedRow.__table__
    statement = update(table).where(  # type: ignore[arg-type]
        table.c.sheet_sha256 == sheet_sha256, table.c.seq == bindparam("b_seq"), table.c.der.is_(None)
    )
    rows = [{"b_seq": seq, "der": der} for seq, der in signed.items()]
    if rows:
        session.connection().execute(statement.values(der=bindparam("der")), rows)


def drop_intents(session: Session, sheet_sha256: str, seqs: Sequence[int]) -> None:
    """Forget intents that were never signed."""
    for some in slices(seqs):
        is_one = (SignedRow.sheet_sha256 == sheet_sha256, SignedRow.seq.in_(some), SignedRow.der.is_(None))
        session.execute(delete(SignedRow).where(*is_one))


def by_serial(session: Session, serial: int) -> SignedRow | None:
    return session.scalar(select(SignedRow).where(SignedRow.serial == str(serial)))


def by_public_keys(session: Session, sha256s: Iterable[str]) -> dict[str, SignedRow]:
    """The rows that have these public keys."""
    found: dict[str, SignedRow] = {}
    for some in slices(list(sha256s)):
        query = select(SignedRow).where(SignedRow.public_key_sha256.in_(some))
        found |= {row.public_key_sha256: row for row in session.scalars(query)}
    return found


def is_renewed(session: Session, serial: int, institution: str) -> bool:
    """Whether a renewal of this certificate was signed."""
    query = select(SignedRow.serial).where(
        SignedRow.old_serial == str(serial),
        SignedRow.institution == institution,
        SignedRow.kind == Kind.RENEW.value,
        SignedRow.der.is_not(None),
    )
    return session.scalar(query.limit(1)) is not None


def revoked_row(session: Session, sheet_sha256: str, seq: int) -> RevokedRow | None:
    query = select(RevokedRow).where(RevokedRow.sheet_sha256 == sheet_sha256, RevokedRow.seq == seq)
    return session.scalar(query)


def revocation_of(session: Session, serial: int) -> RevokedRow | None:
    return session.get(RevokedRow, str(serial))


class RevokedLine(NamedTuple):
    """What a list says of one certificate."""

    serial: str
    revoked_at: datetime
    reason: int


def revoked_rows(session: Session, issuer: str, ended_since: datetime | None) -> list[RevokedLine]:
    """What is revoked of one issuer, in the order of revocation; certificates that ended before `ended_since` are
    left out."""
    # no objects: there may be a hundred thousand
    query = (
        select(RevokedRow.serial, RevokedRow.revoked_at, RevokedRow.reason)
        .join(SignedRow, SignedRow.serial == RevokedRow.serial)
        .where(SignedRow.issuer == issuer)
        .order_by(RevokedRow.revoked_at, RevokedRow.serial)
    )
    if ended_since is not None:
        query = query.where(SignedRow.not_after >= ended_since)
    return [RevokedLine(*row) for row in session.execute(query)]


def newest_list(session: Session) -> SignedList | None:
    return session.scalar(select(SignedList).order_by(SignedList.number.desc()).limit(1))


def count_revoked(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(RevokedRow)) or 0


def keep_list(session: Session, new: SignedList) -> None:
    """The bytes of the one before are dropped: the desk keeps every list it served."""
    newest = newest_list(session)
    if newest is not None:
        newest.der = b""
    session.add(new)
    session.flush()
