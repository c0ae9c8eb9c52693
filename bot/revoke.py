"""Approved revocations -> the CRL: plan, ask the signer, record. Also fetches a fresh list when one is due
(RFC 5280 5.1.2.5).

The signer revokes and signs outside any transaction; list and states are stored in one: nobody hears of a revocation
that relying parties can't see. A crash before it leaves intents, and the signer answers the same again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from cryptography import x509
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.ca.protocol import CaFault, Revoked
from bot.post import Post
from bot.prove import prove_each
from bot.reading import Reader
from bot.shares import CA_SECONDS, REVOCATIONS, Shares
from bot.signer.client import SignerClient
from bot.signer.gather import gather
from bot.signer.messages import Evidence
from handlers import revoke
from handlers.context import Context
from handlers.frozen import digest
from handlers.issue import fail
from handlers.rules.row_errors import Code, RowError, row_error
from store import applications, crls, journal
from store.states import EntryState, Kind
from store.tables import Application, Crl, Entry
from store.transaction import reading, writing

log = structlog.get_logger()
_APPLICATIONS_AT_ONCE = 20
_FORGETS = "newest list lacks {}, which is revoked: its ledger does not know all, the list is not published"
_Answer = Revoked | tuple[RowError, ...]


@dataclass(frozen=True)
class Question:
    """One application's committed intents. `rows`: SEQ -> the entry's id. `faults`: rows that are not asked for."""

    number: str
    evidence: Evidence | None
    rows: dict[int, int]
    faults: dict[int, tuple[RowError, ...]]


@dataclass(frozen=True)
class News:
    """What the signer said. `answers`: by the entry's id. `der`: a list that we don't have yet."""

    answers: tuple[tuple[int, _Answer], ...]
    der: bytes | None


@dataclass(frozen=True)
class Revoker:
    engine: Engine
    signer: SignerClient
    post: Post
    reader: Callable[[], Reader]
    context: Callable[[Session], Context]
    shares: Shares
    between: timedelta = timedelta(0)  # the least time between two lists

    def revoke_all(self, is_wanted: Callable[[], bool]) -> int:
        """Revoke what is approved, and what a crash left half done; returns how many certificates. Takes a new list
        also when there is none yet or the signer made one."""
        with self.shares.taken((REVOCATIONS,), CA_SECONDS) as mine:
            if not mine:
                # there is one list: another process is at it
                return 0
            if self._gathers():
                return 0
            planned: set[str] = set()
            while is_wanted() and self._plan(planned):
                pass
            return self._publish() if is_wanted() else 0

    def _gathers(self) -> bool:
        """Whether the newest list is too young for another. Nothing waits with a compromised key."""
        if not self.between:
            return False
        with reading(self.engine) as session:
            newest, now = crls.newest_times(session), self.context(session).now
            is_young = newest is not None and newest.this_update <= now < newest.this_update + self.between
            return is_young and not crls.is_key_compromised(session)

    def _plan(self, planned: set[str]) -> bool:
        """Commit the intents for some applications and add those to `planned`; False if there was no other."""
        with reading(self.engine) as session:
            waiting = applications.with_approved_entries(
                session, _APPLICATIONS_AT_ONCE, (Kind.REVOKE,), planned
            )
            proven = prove_each(session, waiting, self.reader())
        if not waiting:
            return False
        planned.update(a.number for a in waiting)
        with writing(self.engine) as session:
            ctx = self.context(session)
            for number, rows in proven.items():
                application = session.get_one(Application, number)
                self.post.queue(session, revoke.plan(ctx, application, rows, self.signer.issuer), ctx.now)
        return True

    def _publish(self) -> int:
        """Have the signer revoke what is intended, and record it with the list that shows it."""
        with reading(self.engine) as session:
            questions = questions_of(self.context(session), self.signer.issuer)
            newest = crls.newest_times(session)
        news = self.ask(questions, newest.number if newest else 0)
        if not news.answers and not news.der:
            return 0
        with writing(self.engine) as session:
            return self._record(self.context(session), news)

    def ask(self, questions: Sequence[Question], known: int) -> News:
        """No answer to what is tried again in the next round; without a list nothing is called revoked."""
        answers: list[tuple[int, _Answer]] = [fault for q in questions for fault in q.faults.items()]
        for question in questions:
            try:
                answers += self._ask_one(question)
            except CaFault as fault:
                # maybe this one's alone, as a stale list of one officer's CA: the others must not wait for it
                log.error("signer", number=question.number, temporary=fault.temporary, error=str(fault))
        try:
            der = self.signer.newest_list(known)
            if der and (forgotten := self._forgotten(x509.load_der_x509_crl(der))):
                raise self.signer.doubt(_FORGETS.format(forgotten))
            return News(tuple(answers), der)
        except CaFault as fault:
            log.error("crl", list=known, temporary=fault.temporary, error=str(fault))
            refused = tuple((entry, a) for entry, a in answers if isinstance(a, tuple))
            return News(refused, None)

    def _forgotten(self, crl: x509.CertificateRevocationList) -> int | None:
        """The serial of a certificate that we revoked, that still runs and that `crl` lacks; None: there is none."""
        listed = {entry.serial_number for entry in crl}
        with reading(self.engine) as session:
            known = crls.revoked_certificates(session, self.signer.issuer, crl.last_update_utc)
            return next((one.serial for one in known if one.serial not in listed), None)

    def _ask_one(self, question: Question) -> list[tuple[int, _Answer]]:
        if not question.rows:
            return []
        if question.evidence is None:
            return [(entry, (row_error(Code.TAMPERED),)) for entry in question.rows.values()]
        found = self.signer.revoke(question.evidence, list(question.rows))
        return [(entry, found[seq]) for seq, entry in question.rows.items() if seq in found]

    def _record(self, ctx: Context, news: News) -> int:
        """The list, and what it shows, in one transaction."""
        number = self._keep(ctx, news.der) if news.der else None
        if number is None:
            newest = crls.newest_times(ctx.session)
            number = newest.number if newest else 0
        found = [(ctx.session.get_one(Entry, entry), answer) for entry, answer in news.answers]
        # of two processes that asked, one records
        found = [(entry, answer) for entry, answer in found if entry.state is EntryState.SIGNING]
        judged = [(entry, self._judge(ctx, entry, answer)) for entry, answer in found]
        self._refuse(ctx, [(e, errors) for e, errors in judged if isinstance(errors, tuple)])
        done = [(entry, revoked) for entry, revoked in judged if isinstance(revoked, Revoked)]
        self.post.queue(ctx.session, revoke.record(ctx, self.signer.issuer, done, number), ctx.now)
        for entry, revoked in done:
            log.info("revoked", number=entry.number, entry=entry.seq, serial=str(revoked.serial))
        log.info("crl", list=number, revoked=len(done))
        return len(done)

    def _judge(self, ctx: Context, entry: Entry, answer: _Answer) -> _Answer:
        if isinstance(answer, tuple):
            return answer
        return revoke.find_fault(ctx, entry, self.signer.issuer, answer) or answer

    def _keep(self, ctx: Context, der: bytes) -> int:
        crl = x509.load_der_x509_crl(der)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        assert crl.next_update_utc is not None
        if ctx.session.get(Crl, number) is not None:
            return number
        crls.add(ctx.session, number, crl.last_update_utc, crl.next_update_utc, der)
        facts = {"number": number, "entries": len(crl), "sha256": digest(der)}
        journal.append(ctx.session, ctx.now, "crl", facts)
        return number

    def _refuse(self, ctx: Context, refused: Sequence[tuple[Entry, tuple[RowError, ...]]]) -> None:
        """End the rows that may no longer be carried out."""
        for number in dict.fromkeys(entry.number for entry, _ in refused):
            errors = {e.seq: found for e, found in refused if e.number == number}
            application = ctx.session.get_one(Application, number)
            entries = [e for e in application.entries if e.seq in errors]
            self.post.queue(ctx.session, fail(ctx, application, entries, errors), ctx.now)


def questions_of(ctx: Context, issuer: str) -> list[Question]:
    """Every committed intent, the oldest application first."""
    found: dict[str, Question] = {}
    for entry in crls.intended_revocations(ctx.session):
        if entry.number not in found:
            evidence = gather(ctx.session, entry.application, ctx.register)
            found[entry.number] = Question(entry.number, evidence, {}, {})
        question = found[entry.number]
        if fault := revoke.find_fault(ctx, entry, issuer):
            question.faults[entry.id] = fault
        else:
            question.rows[entry.seq] = entry.id
    return list(found.values())
