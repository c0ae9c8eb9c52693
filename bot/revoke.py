"""Approved revocations -> the CRL: plan, sign, record. Also keeps the list fresh (RFC 5280 5.1.2.5).

The list is signed outside any transaction and stored in the same one that calls the certificates revoked: a crash
before it leaves intents, which the next round puts on a list of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.ca.protocol import Ca, CaFault, Revoked
from bot.post import Post
from bot.prove import prove
from bot.reading import Reader
from handlers import revoke
from handlers.alarm import alarm
from handlers.context import Context
from handlers.frozen import digest
from handlers.issue import fail
from handlers.rules.row_errors import RowError
from store import applications, crls, journal, meta
from store.states import Kind
from store.tables import Application, Crl, Entry
from store.transaction import reading, writing

log = structlog.get_logger()
_APPLICATIONS_AT_ONCE = 20
_Orders = Sequence[tuple[Entry, Revoked | tuple[RowError, ...]]]


@dataclass(frozen=True)
class _Draft:
    """A list to be signed."""

    number: int
    this_update: datetime
    next_update: datetime
    revoked: tuple[Revoked, ...]


@dataclass(frozen=True)
class Revoker:
    """`crl_days`: how long a list holds."""

    engine: Engine
    ca: Ca
    post: Post
    reader: Callable[[], Reader]
    context: Callable[[Session], Context]
    crl_days: int

    def revoke_all(self, is_wanted: Callable[[], bool]) -> int:
        """Revoke what is approved, and what a crash left half done; returns how many certificates. Signs a new list
        also when there is none yet or less than half of the newest one's time is left."""
        while is_wanted() and self._plan():
            pass
        return self._publish() if is_wanted() else 0

    def _plan(self) -> bool:
        """Commit the intents for some applications; False if nothing was waiting."""
        with reading(self.engine) as session:
            waiting = applications.with_approved_entries(session, _APPLICATIONS_AT_ONCE, (Kind.REVOKE,))
            proven = {a.number: prove(session, a, self.reader()) for a in waiting}
        if not proven:
            return False
        with writing(self.engine) as session:
            ctx = self.context(session)
            for number, rows in proven.items():
                application = session.get_one(Application, number)
                self.post.queue(session, revoke.plan(ctx, application, rows, self.ca.issuer), ctx.now)
        return True

    def _publish(self) -> int:
        """Sign a list if there is a reason to, and record it with what it revokes."""
        with reading(self.engine) as session:
            ctx = self.context(session)
            found = {e.number: e.application for e in crls.intended_revocations(session)}
            proven = {number: prove(session, a, self.reader()) for number, a in found.items()}
            orders = revoke.orders_for(ctx, proven, self.ca.issuer)
            draft = self._draft(ctx, [order for _, order in orders if isinstance(order, Revoked)])
        der = self._sign(draft) if draft else None
        if der is None and not any(isinstance(order, tuple) for _, order in orders):
            return 0
        with writing(self.engine) as session:
            ctx = self.context(session)
            self._refuse(ctx, orders)
            return self._record(ctx, draft, der, orders) if draft and der else 0

    def _draft(self, ctx: Context, new: list[Revoked]) -> _Draft | None:
        newest = crls.newest(ctx.session)
        if not new and newest and not self._is_due(newest, ctx.now):
            return None
        holds = timedelta(days=self.crl_days)
        # an entry stays until a list after the certificate's end has shown it (RFC 5280 3.3), however long we slept
        ended_since = newest.this_update - holds if newest else None
        old = crls.revoked_certificates(ctx.session, self.ca.issuer, ended_since)
        revoked = (*(Revoked(c.serial, c.revoked_at, c.reason) for c in old), *new)
        return _Draft(newest.number + 1 if newest else 1, ctx.now, ctx.now + holds, revoked)

    def _is_due(self, newest: Crl, now: datetime) -> bool:
        """Half used up, from a clock that ran ahead, or signed by a key that is no longer ours."""
        middle = newest.this_update + (newest.next_update - newest.this_update) / 2
        return now > middle or now < newest.this_update or not self._is_ours(newest)

    def _is_ours(self, newest: Crl) -> bool:
        key = x509.load_der_x509_certificate(self.ca.chain()[0]).public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        return x509.load_der_x509_crl(newest.der).is_signature_valid(key)

    def _sign(self, draft: _Draft) -> bytes | None:
        """None: not this time. The rows keep their intents, and the monitors hear of it once a day."""
        try:
            return self.ca.crl(
                draft.revoked,
                number=draft.number,
                this_update=draft.this_update,
                next_update=draft.next_update,
            )
        except CaFault as fault:
            log.error("crl", number=draft.number, temporary=fault.temporary, error=str(fault))
            with writing(self.engine) as session:
                ctx = self.context(session)
                day = ctx.now.date().isoformat()
                if meta.find(session, "crl_alarm") != day:
                    meta.keep(session, "crl_alarm", day)
                    self.post.queue(session, alarm(ctx, "crl", str(fault)), ctx.now)
            return None

    def _refuse(self, ctx: Context, orders: _Orders) -> None:
        """End the rows that may no longer be carried out."""
        refused = [(e, errors) for e, errors in orders if isinstance(errors, tuple)]
        for number in dict.fromkeys(entry.number for entry, _ in refused):
            errors = {e.seq: found for e, found in refused if e.number == number}
            application = ctx.session.get_one(Application, number)
            entries = [e for e in application.entries if e.seq in errors]
            self.post.queue(ctx.session, fail(ctx, application, entries, errors), ctx.now)

    def _record(self, ctx: Context, draft: _Draft, der: bytes, orders: _Orders) -> int:
        crls.add(ctx.session, draft.number, draft.this_update, draft.next_update, der)
        facts = {"number": draft.number, "entries": len(draft.revoked), "sha256": digest(der)}
        journal.append(ctx.session, ctx.now, "crl", facts)
        done = [
            (ctx.session.get_one(Entry, entry.id), order)
            for entry, order in orders
            if isinstance(order, Revoked)
        ]
        self.post.queue(ctx.session, revoke.record(ctx, self.ca.issuer, done, draft.number), ctx.now)
        log.info("crl", number=draft.number, entries=len(draft.revoked), revoked=len(done))
        return len(done)
