"""Approved rows -> certificates: plan, ask the signer, record (threats.md section 9 of the requirements, CA).

The intent (serial, dates) is committed before the signer is asked, and what it gave is committed before anybody hears
of it: a crash at any point leads to the same certificate, never to a second one.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.ca.protocol import CaFault
from bot.post import Post
from bot.prove import prove_each
from bot.reading import Reader
from bot.shares import CA_SECONDS, Shares, application_name
from bot.signer.client import ForeignLedger, SignerClient
from bot.signer.gather import gather
from bot.signer.messages import Evidence
from bot.whois_facts import Inquirer
from handlers import issue
from handlers.context import Context
from handlers.rules.order import Reserved
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.whois import domains_to_ask
from store import applications, certificates
from store.states import EntryState, Kind
from store.tables import Application
from store.transaction import reading, writing

log = structlog.get_logger()
_APPLICATIONS_AT_ONCE = 20
_KINDS = (Kind.ISSUE, Kind.RENEW)  # revocations are bot.revoke's
_Answer = bytes | tuple[RowError, ...]


@dataclass(frozen=True)
class _Question:
    """One application's committed intents. `rows`: SEQ -> the certificate's id and serial. `faults`: by the
    certificate's id, rows that are not asked for."""

    number: str
    evidence: Evidence | None
    rows: dict[int, tuple[int, int]]
    faults: dict[int, tuple[RowError, ...]]


@dataclass(frozen=True)
class Certifier:
    engine: Engine
    signer: SignerClient
    post: Post
    reader: Callable[[], Reader]
    context: Callable[[Session], Context]
    inquirer: Inquirer
    shares: Shares

    def certify_all(self, is_wanted: Callable[[], bool]) -> int:
        """Issue what is approved; returns how many certificates were stored. First what a crash left half done."""
        count = self._finish()
        planned: set[str] = set()
        while is_wanted() and self._plan(planned, is_wanted):
            count += self._finish()
        return count

    def _plan(self, planned: set[str], is_wanted: Callable[[], bool]) -> bool:
        """Commit the intents for some applications and add those to `planned`; False if there was no other.

        Each is planned once a round: its rows may have to wait for WHOIS.
        """
        with reading(self.engine) as session:
            waiting = applications.with_approved_entries(session, _APPLICATIONS_AT_ONCE, _KINDS, planned)
        numbers = [a.number for a in waiting]
        planned.update(numbers)
        with self._taken(numbers) as mine:
            may_go_on = not mine or self._intend(mine, is_wanted)
        return bool(waiting) and may_go_on

    def _intend(self, numbers: Collection[str], is_wanted: Callable[[], bool]) -> bool:
        """False where the signer gives no serials for now."""
        with reading(self.engine) as session:
            ctx = self.context(session)
            # read again: another process may have planned them until now
            waiting = [a for a in applications.by_numbers(session, numbers) if _awaits_plan(a)]
            proven = prove_each(session, waiting, self.reader())
            provable = [a for a in waiting if a.number in proven]
            domains = {domain for a in provable for domain in domains_to_ask(ctx, a)}
            count = sum(e.state is EntryState.APPROVED for a in provable for e in a.entries)
        if not proven:
            return True
        whois = self.inquirer.ask(domains, is_wanted)
        reserved = self._reserve(count)
        if reserved is None:
            return False
        issuer = issue.Issuer(self.signer.issuer, self.signer.not_after, reserved)
        with writing(self.engine) as session:
            ctx = self.context(session)
            for number, rows in proven.items():
                application = session.get_one(Application, number)
                self.post.queue(session, issue.plan(ctx, application, rows, issuer, whois), ctx.now)
        return True

    @contextmanager
    def _taken(self, numbers: Sequence[str]) -> Iterator[set[str]]:
        """Those of these applications that no other process has, for the time of the block."""
        names = {application_name(number): number for number in numbers}
        with self.shares.taken(names, CA_SECONDS) as mine:
            yield {names[name] for name in mine}

    def _reserve(self, count: int) -> list[Reserved] | None:
        try:
            return self.signer.reserve(count)
        except CaFault as fault:
            log.error("signer", ask="serials", temporary=fault.temporary, error=str(fault))
            return None

    def _finish(self) -> int:
        """Ask the signer for every committed intent, some applications at a time; how many certificates it gave."""
        with reading(self.engine) as session:
            numbers = certificates.unsigned_applications(session)
        some = range(0, len(numbers), _APPLICATIONS_AT_ONCE)
        return sum(self._finish_some(numbers[start : start + _APPLICATIONS_AT_ONCE]) for start in some)

    def _finish_some(self, numbers: Sequence[str]) -> int:
        """The signer is asked outside any transaction, and what it gave is stored in one."""
        with self._taken(numbers) as mine:
            with reading(self.engine) as session:
                questions = _questions(session, self.context(session), mine)
            answers = [answer for question in questions for answer in self._ask(question)]
            return self._record(answers) if answers else 0

    def _ask(self, question: _Question) -> list[tuple[int, _Answer]]:
        """Certificate id -> DER, or why there can never be one; nothing of what is tried again in the next round."""
        faults: list[tuple[int, _Answer]] = list(question.faults.items())
        if not question.rows:
            return faults
        if question.evidence is None:
            return faults + [(intent, (row_error(Code.TAMPERED),)) for intent, _ in question.rows.values()]
        wanted = {seq: serial for seq, (_, serial) in question.rows.items()}
        try:
            found = self.signer.issue(question.evidence, wanted)
        except CaFault as fault:
            log.error(
                "signer",
                number=question.number,
                entry=list(wanted),
                temporary=fault.temporary,
                error=str(fault),
            )
            if fault.temporary or isinstance(fault, ForeignLedger):
                return faults
            return faults + [(intent, (row_error(Code.CA_REFUSED),)) for intent, _ in question.rows.values()]
        return faults + [(intent, found[seq]) for seq, (intent, _) in question.rows.items() if seq in found]

    def _record(self, answers: Sequence[tuple[int, _Answer]]) -> int:
        with writing(self.engine) as session:
            ctx = self.context(session)
            intents = certificates.by_ids(session, [intent for intent, _ in answers])
            found = [(c, answer) for c, (_, answer) in zip(intents, answers, strict=True)]
            # of two processes that asked, one records
            found = [(c, answer) for c, answer in found if c.entry.state is EntryState.SIGNING]
            faults = issue.find_faults(ctx, [(c, answer) for c, answer in found if isinstance(answer, bytes)])
            judged = [
                (c, answer, faults[c.id] if isinstance(answer, bytes) else answer) for c, answer in found
            ]
            signed = [(c, answer) for c, answer, fault in judged if isinstance(answer, bytes) and not fault]
            for certificate, der in signed:
                issue.adopt(certificate, der)
            self.post.queue(session, issue.record(ctx, signed), ctx.now)
            done = {c.id for c, _ in signed}
            refused = [(c, fault) for c, _, fault in judged if c.id not in done]
            for number in dict.fromkeys(c.entry.number for c, _ in refused):
                errors = {c.entry.seq: fault for c, fault in refused if c.entry.number == number}
                entries = [c.entry for c, _ in refused if c.entry.number == number]
                application = session.get_one(Application, number)
                self.post.queue(session, issue.fail(ctx, application, entries, errors), ctx.now)
        for certificate, _ in signed:
            entry = certificate.entry
            log.info("issued", number=entry.number, entry=entry.seq, serial=certificate.serial)
        for certificate, fault in refused:
            entry, codes = certificate.entry, [error.code for error in fault]
            log.error("not_issued", number=entry.number, entry=entry.seq, codes=codes)
        return len(signed)


def _awaits_plan(application: Application) -> bool:
    return any(entry.state is EntryState.APPROVED for entry in application.entries)


def _questions(session: Session, ctx: Context, numbers: Collection[str]) -> list[_Question]:
    found: dict[str, _Question] = {}
    intents = certificates.unsigned(session, 10_000, numbers)
    faults = issue.find_faults(ctx, [(certificate, None) for certificate in intents])
    for certificate in intents:
        entry = certificate.entry
        if entry.number not in found:
            evidence = gather(session, entry.application, ctx.register)
            found[entry.number] = _Question(entry.number, evidence, {}, {})
        question = found[entry.number]
        if fault := faults[certificate.id]:
            question.faults[certificate.id] = fault
        else:
            question.rows[entry.seq] = (certificate.id, int(certificate.serial))
    return list(found.values())
