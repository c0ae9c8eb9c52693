"""A desk whose store has a history, with its office open; what is done on it, and what that costs."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Engine, event, insert, select

from bot.bench.data import DOMAIN, ec_rows, tsv
from bot.bench.desk import BOT, OFFICER, BenchDesk, make_desk
from bot.bench.full_rows import Past
from bot.bench.full_store import fill
from bot.bench.office import SIGNER_APART, BenchOffice, application_mail, open_bench_office
from bot.demo.replies import plain_mail, signed_mail
from bot.register import load_register
from bot.schedule import Service
from bot.wiring import Office, utc_now
from store.signer_ledger import GivenSerial, LedgerBase, RevokedRow, SignedRow, open_ledger
from store.states import Kind
from store.tables import Certificate, Entry
from store.transaction import open_store, reading, upgrade, writing

_STEPS_AT_ONCE = 50  # of SQLite's machine, after which we are told
_REVOKED = (
    select(Certificate, Entry.public_key_sha256)
    .join(Certificate.entry)
    .where(Certificate.revoked_at.is_not(None))
)
_seeds = count(1000)


@dataclass
class Cost:
    """`cpu`: seconds of this process. `steps`: instructions of SQLite's virtual machine, to the nearest 50."""

    cpu: float = 0.0
    steps: int = 0


@dataclass
class GrownDesk:
    """`certificates`: how many its store began with."""

    certificates: int
    at_work: BenchOffice
    _steps: list[int] = field(default_factory=lambda: [0])

    @property
    def office(self) -> Office:
        return self.at_work.office

    @property
    def engine(self) -> Engine:
        return self.office.engine

    @property
    def service(self) -> Service:
        return Service(self.office)

    @contextmanager
    def costing(self) -> Iterator[Cost]:
        """What the block costs."""
        cost, steps, begin = Cost(), self._steps[0], time.process_time()
        yield cost
        cost.cpu = time.process_time() - begin
        cost.steps = (self._steps[0] - steps) * _STEPS_AT_ONCE

    def application(self) -> bytes:
        """One row, with a key of its own."""
        [(_, row)] = ec_rows(next(_seeds), 1)
        return application_mail(tsv([row]))

    def signed(self, text: str) -> bytes:
        return signed_mail(OFFICER, BOT, "Re: 1", text, {}, seal=self.at_work.desk.seal)

    def question(self) -> bytes:
        """Of somebody new, unsigned: it is answered with help."""
        sender = f"shitsumon{next(_seeds)}@{DOMAIN}"
        return plain_mail(sender, BOT, "質問", "教えてください。\n", {})


@contextmanager
def open_grown_desk(place: Path, certificates: int) -> Iterator[GrownDesk]:
    """Its store is filled, its signer runs; no mail server is there."""
    desk = make_desk(place, more=SIGNER_APART)
    engine = open_store(desk.config.store.url)
    upgrade(engine)
    past = _past(desk, certificates)
    fill(engine, past)
    _tell_signer(desk, engine, past)
    engine.dispose()
    with open_bench_office(desk) as at_work:
        grown = GrownDesk(certificates, at_work)
        _count_steps(grown.engine, grown._steps)
        yield grown


def _tell_signer(desk: BenchDesk, engine: Engine, past: Past) -> None:
    """Its ledger knows what was revoked: a list that lacks one of them would be refused."""
    rows: dict[type[LedgerBase], list[dict[str, object]]] = {GivenSerial: [], SignedRow: [], RevokedRow: []}
    with reading(engine) as session:
        for one, key in session.execute(_REVOKED):
            sheet = {"sheet_sha256": key, "seq": 1}
            rows[GivenSerial].append({"serial": one.serial, "given_at": one.not_before})
            rows[SignedRow].append(
                {
                    **sheet,
                    "serial": one.serial,
                    "issuer": past.issuer,
                    "public_key_sha256": key,
                    "institution": past.institution,
                    "kind": Kind.ISSUE.value,
                    "raw_line": b"",
                    "encoding": "ascii",
                    "subject_dn": "",
                    "cn": "",
                    "not_before": one.not_before,
                    "not_after": one.not_after,
                    "der": one.der,
                }
            )
            rows[RevokedRow].append(
                {
                    **sheet,
                    "serial": one.serial,
                    "reason": one.revocation_reason,
                    "revoked_at": one.revoked_at,
                }
            )
    ledger = open_ledger(desk.config.signer.ledger)
    with writing(ledger) as session:
        for table, lines in rows.items():
            if lines:
                session.execute(insert(table), lines)
    ledger.dispose()


def _past(desk: BenchDesk, certificates: int) -> Past:
    config = desk.config
    [institution] = load_register(config.register_dir).institutions.values()
    policy = institution.policy_for(Kind.ISSUE)
    assert policy is not None
    ca = x509.load_pem_x509_certificate(config.ca.certificate.read_bytes())
    spki = ca.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Past(
        certificates,
        utc_now(),
        config.instance,
        institution.id,
        policy,
        hashlib.sha256(spki).hexdigest(),
        ca.subject,
    )


def _count_steps(engine: Engine, steps: list[int]) -> None:
    def tell() -> int:
        steps[0] += 1
        return 0

    def watch(connection: object, _record: object) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.set_progress_handler(tell, _STEPS_AT_ONCE)

    event.listen(engine, "connect", watch)
    # what is open already is not watched
    engine.dispose()
