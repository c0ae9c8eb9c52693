"""Approved rows -> certificates: plan, call, record (threats.md section 9 of the requirements, CA).

The intent (serial, dates) is committed before the CA is called, and what the CA gave is committed before anybody hears
of it: a crash at any point leads to the same certificate, never to a second one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from cryptography import x509
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.ca.protocol import Ca, CaFault
from bot.post import Post
from bot.prove import prove
from bot.reading import Reader
from bot.whois_facts import Inquirer
from handlers import issue
from handlers.context import Context
from handlers.rules.order import IssueOrder
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.whois import domains_to_ask
from store import applications, certificates
from store.states import Kind
from store.tables import Application, Certificate
from store.transaction import reading, writing

log = structlog.get_logger()
_APPLICATIONS_AT_ONCE = 20
_KINDS = (Kind.ISSUE, Kind.RENEW)  # revocations are bot.revoke's


@dataclass(frozen=True)
class Certifier:
    engine: Engine
    ca: Ca
    post: Post
    reader: Callable[[], Reader]
    context: Callable[[Session], Context]
    inquirer: Inquirer

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
            ctx = self.context(session)
            waiting = applications.with_approved_entries(session, _APPLICATIONS_AT_ONCE, _KINDS, planned)
            proven = {a.number: prove(session, a, self.reader()) for a in waiting}
            domains = {domain for a in waiting for domain in domains_to_ask(ctx, a)}
        if not proven:
            return False
        planned.update(proven)
        whois = self.inquirer.ask(domains, is_wanted)
        issuer = issue.Issuer(self.ca.issuer, _last_second(self.ca))
        with writing(self.engine) as session:
            ctx = self.context(session)
            for number, rows in proven.items():
                application = session.get_one(Application, number)
                self.post.queue(session, issue.plan(ctx, application, rows, issuer, whois), ctx.now)
        return True

    def _finish(self) -> int:
        """Call the CA for every committed intent, outside any transaction, then store what it gave in one."""
        with reading(self.engine) as session:
            ctx = self.context(session)
            intents = certificates.unsigned(session, 10_000)
            by_number = {c.entry.number: c.entry.application for c in intents}
            proven = {number: prove(session, a, self.reader()) for number, a in by_number.items()}
            orders = [(c.id, issue.order_for(ctx, c, proven[c.entry.number])) for c in intents]
        answers = [(intent, self._ask(order)) for intent, order in orders]
        return self._record(answers) if answers else 0

    def _ask(self, order: IssueOrder | tuple[RowError, ...]) -> bytes | tuple[RowError, ...] | None:
        """DER; or why it can never be; or None: try again in the next round."""
        if isinstance(order, tuple):
            return order
        try:
            return self.ca.find(order.serial) or self.ca.issue(order)
        except CaFault as fault:
            log.error("ca", serial=str(order.serial), temporary=fault.temporary, error=str(fault))
            return None if fault.temporary else (row_error(Code.CA_REFUSED),)

    def _record(self, answers: Sequence[tuple[int, bytes | tuple[RowError, ...] | None]]) -> int:
        with writing(self.engine) as session:
            ctx = self.context(session)
            found = [(session.get_one(Certificate, intent), answer) for intent, answer in answers]
            signed = [(c, answer) for c, answer in found if isinstance(answer, bytes)]
            self.post.queue(session, issue.record(ctx, signed), ctx.now)
            refused = [(c, answer) for c, answer in found if isinstance(answer, tuple)]
            for number in dict.fromkeys(c.entry.number for c, _ in refused):
                errors = {c.entry.seq: answer for c, answer in refused if c.entry.number == number}
                entries = [c.entry for c, _ in refused if c.entry.number == number]
                application = session.get_one(Application, number)
                self.post.queue(session, issue.fail(ctx, application, entries, errors), ctx.now)
        log.info("certified", issued=len(signed), refused=len(refused))
        return len(signed)


def _last_second(ca: Ca) -> datetime:
    return x509.load_der_x509_certificate(ca.chain()[0]).not_valid_after_utc
