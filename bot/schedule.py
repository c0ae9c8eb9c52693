"""When things happen: rounds (intake, certify, revoke, deliver), the daily sweep, and what wakes them.

APScheduler only sets flags; all work is done by the one thread that calls `Service.run`.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot import wiring
from bot.deliver import deliver_due
from bot.imap.folder import Folder, ImapFault, backoff
from bot.smime.renewal import CrlRenewal
from bot.verified import VerifierFault
from bot.wiring import Office, web_deps
from handlers.delivery_report import raise_undelivered
from handlers.digest import plan_digest
from handlers.key_warnings import plan_key_warnings
from handlers.lapse import end_holds, lapse_overdue
from handlers.refreeze import refreeze_changed
from handlers.remind import is_anything_due, remind
from store import leases, outbox, troubles
from store.tables import Outgoing
from store.transaction import reading, writing

if TYPE_CHECKING:
    # a single round needs neither a scheduler nor a web server
    from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger()
_LEASE = "round"
_LEASE_SECONDS = 120
_RENEW_SECONDS = 30
_STANDBY_SECONDS = 5  # how often who stands by looks whether the round is free
# what ends a round for now: a store or a gpg that can not be used; the next round tries again
_WORLD = (OperationalError, VerifierFault)
_OUTBOX_SECONDS = 30  # how often deferred mails are looked at when nothing else wakes us


@dataclass(frozen=True)
class RoundReport:
    """`fault`: what kept a part of the round from being done; None if all went well. `troubles`: what is wrong, by
    its code, and keeps the desk from its work."""

    mails: int = 0
    certificates: int = 0
    sent: int = 0
    fault: str | None = None
    revoked: int = 0
    troubles: tuple[str, ...] = ()


class Service:
    """One process's work. `wake` and `stop` may be called from any thread or signal handler."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._woken = threading.Event()
        self._stopping = False
        self._must_reload = False
        self._must_sweep = True
        self._may_be_mended = False
        self._lease_renewed = 0.0
        self._stands_by = False
        self._crls = CrlRenewal(office.config.smime)
        self._watch = office.watch

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopping = True
        self.wake()

    def reload(self) -> None:
        """Read the register again before the next round; a signer of our own does so too. A mail server that waits
        for its next try is tried at once."""
        self._must_reload = self._may_be_mended = True
        if self._office.child:
            self._office.child.reload()
        self.wake()

    def once(self) -> RoundReport:
        """Exactly one round, and the daily sweep."""
        try:
            self._office.judge.authority.note(self._office.engine, wiring.utc_now())
            report = self._round_with_folder()
            with reading(self._office.engine) as session:
                acute = [row.kind for row in troubles.told(session) if troubles.is_acute(row)]
            return replace(report, troubles=tuple(dict.fromkeys(acute)))
        except _WORLD as fault:
            self._world_failed("round", fault)
            return RoundReport(fault=str(fault))

    def _round_with_folder(self) -> RoundReport:
        try:
            with Folder(self._office.config.imap) as folder:
                return self._round(folder)
        except ImapFault as fault:
            log.error("imap", error=str(fault))
            self._watch.imap(str(fault))
            report = self._round(None)
            return replace(report, fault=str(fault))

    def run(self) -> None:
        """Rounds until `stop`, and the download page beside them."""
        from bot.web.server import open_servers

        self._note_register()
        servers = open_servers(web_deps(self._office, self.wake), wiring.utc_now)
        for server in servers:
            server.start()
        scheduler = self._start_scheduler()
        log.info("ready", web_port=servers[0].port, instance=self._office.config.instance)
        try:
            self._keep_going()
        finally:
            scheduler.shutdown(wait=False)
            for server in servers:
                server.stop()
            log.info("stopped")

    def _start_scheduler(self) -> BackgroundScheduler:
        from apscheduler.schedulers.background import BackgroundScheduler
        from apscheduler.triggers.cron import CronTrigger
        from apscheduler.triggers.interval import IntervalTrigger

        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(self.wake, IntervalTrigger(seconds=_OUTBOX_SECONDS), coalesce=True)
        hour = (-self._office.config.utc_offset_hours) % 24  # midnight on people's clocks
        scheduler.add_job(self._ask_for_sweep, CronTrigger(hour=hour, minute=5), coalesce=True)
        scheduler.start()
        return scheduler

    def _ask_for_sweep(self) -> None:
        self._must_sweep = True
        self.wake()

    def _keep_going(self) -> None:
        """Stay connected; on any loss go on issuing and delivering while the back-off runs."""
        failures = 0
        while not self._stopping:
            self._may_be_mended = False
            try:
                with Folder(self._office.config.imap) as folder:
                    log.info("imap connected", account=folder.account)
                    while not self._stopping:
                        self._woken.clear()
                        self._round(folder)
                        failures = 0
                        folder.wait(self._seconds_to_wait(), self._woken.is_set)
            except ImapFault as fault:
                failures += 1
                pause = backoff(failures, random.random(), temporary=fault.temporary)
                log.warning("imap", error=str(fault), failures=failures, next_try_seconds=round(pause, 1))
                self._watch.imap(str(fault))
                self._bridge(pause)
            except _WORLD as fault:
                failures += 1
                self._world_failed("round", fault)
                self._bridge(min(backoff(failures, random.random()), _OUTBOX_SECONDS))

    def _seconds_to_wait(self) -> int:
        """Until the next round. Who stands by looks more often: nobody tells of a process that died."""
        poll = self._office.config.imap.poll_seconds
        return min(poll, _STANDBY_SECONDS) if self._stands_by else poll

    def _bridge(self, seconds: float) -> None:
        """The time without IMAP: approved rows are still issued, answers still leave."""
        end = time.monotonic() + seconds
        while not (self._stopping or self._may_be_mended) and (left := end - time.monotonic()) > 0:
            self._woken.clear()
            try:
                self._round(None)
            except _WORLD as fault:
                self._world_failed("round", fault)
            self._woken.wait(left)

    def _world_failed(self, doing: str, fault: Exception) -> None:
        log.error(doing, error=str(fault))
        if isinstance(fault, OperationalError):
            self._watch.store_failed(str(fault))

    def _round(self, folder: Folder | None) -> RoundReport:
        """Intake, certify, revoke, deliver. On SQLite under a lease: a second process on the same store stands by."""
        office = self._office
        self._watch.beat()
        if folder:
            self._watch.imap(None)
        self._reload_if_asked()
        self._renew_crls()
        self._stands_by = not self._renew_lease()
        if self._stands_by:
            return RoundReport(fault="another process holds the round")
        mails = office.intake.take_all(folder, self._is_wanted, self._work_off) if folder else 0
        # only now: a decision that lay in the folder in time must not find its application lapsed
        if self._must_sweep and folder and self._is_wanted():
            self._must_sweep = not self._sweep()
        try:
            certificates = office.certifier.certify_all(self._is_wanted)
            revoked = office.revoker.revoke_all(self._is_wanted)
            self._remind()
        finally:
            # a row that breaks the CA's side must not keep every answer from leaving
            sent, fault = self._deliver_and_watch()
        self._end_lease()
        return RoundReport(mails, certificates, sent, fault, revoked)

    def _work_off(self) -> None:
        """In a long intake: what the mails so far asked for is issued, their answers leave. Nobody is reminded or
        lapses before all mails that wait are read."""
        try:
            self._office.certifier.certify_all(self._is_wanted)
            self._office.revoker.revoke_all(self._is_wanted)
        finally:
            self._deliver()

    def _note_register(self) -> None:
        try:
            self._office.judge.authority.note(self._office.engine, wiring.utc_now())
        except _WORLD as fault:
            # a journal that takes nothing now may later: the first rounds try again
            self._must_reload = True
            self._world_failed("register", fault)

    def _reload_if_asked(self) -> None:
        if not self._must_reload:
            return
        self._must_reload = False
        try:
            if self._office.judge.authority.reload():
                self._office.judge.authority.note(self._office.engine, wiring.utc_now())
                # whose keys end, and when, may be another matter now
                self._must_sweep = True
        except _WORLD as fault:
            # an officer may just have been removed: asked for once, it is tried until it is done
            self._must_reload = True
            self._world_failed("reload", fault)

    def _renew_crls(self) -> None:
        """Before the mails are looked at: without fresh lists S/MIME decisions wait (threats CMS6)."""
        smime = self._office.judge.authority.reader.smime
        ending = self._crls.renew(smime.issuers if smime else (), wiring.utc_now())
        if ending is not None:
            self._watch.officers_lists(ending)

    def _deliver_and_watch(self) -> tuple[int, str | None]:
        """What is wrong is told in this round, also when only the sending shows it."""
        self._watch.settle()
        sent, fault = self._deliver()
        if fault or sent:
            self._watch.smtp(fault)
        if self._watch.settle() and not fault:
            more, fault = self._deliver()
            sent += more
        return sent, fault

    def _deliver(self) -> tuple[int, str | None]:
        """Send what is due; SIGTERM and the lease are looked at before each mail: a server may take its time."""
        office, sent = self._office, 0
        with writing(office.engine) as session:
            # what a crash cut off
            outbox.recover(session, wiring.utc_now(), office.shares.holder)
        while self._is_wanted():
            report = deliver_due(
                office.engine,
                office.config.smtp,
                sender=office.config.address,
                now=wiring.utc_now,
                rng=random.random,
                on_failed=self._raise_undelivered,
                is_wanted=self._is_wanted,
            )
            sent += report.sent
            if report.fault:
                log.warning("smtp", error=report.fault)
                return sent, report.fault
            if not report.sent + report.retry + report.unknown + report.failed:
                break
        return sent, None

    def _raise_undelivered(self, session: Session, outgoing: Outgoing) -> None:
        """A person was not reached: the officers or the monitors are told, as after a delivery report."""
        log.error(
            "undelivered", template=outgoing.template, recipient=outgoing.recipient, error=outgoing.error
        )
        ctx = self._office.judge.context(session)
        self._office.post.queue(session, raise_undelivered(ctx, outgoing), ctx.now)

    def _sweep(self) -> bool:
        """What a day brings. False where another process has yet to read mails that lay there before."""
        with writing(self._office.engine) as session:
            ctx = self._office.judge.context(session)
            if self._office.shares.others_read_mails(session):
                return False
            leases.forget_ended(session, ctx.now)
            plan_key_warnings(ctx)
            plan_digest(ctx)
            self._office.post.queue(
                session, [*end_holds(ctx), *lapse_overdue(ctx), *refreeze_changed(ctx)], ctx.now
            )
        return True

    def _remind(self) -> None:
        """What came due by time. The write lock is taken only if there is something."""
        while self._is_wanted() and self._is_anything_due():
            with writing(self._office.engine) as session:
                ctx = self._office.judge.context(session)
                self._office.post.queue(session, remind(ctx), ctx.now)

    def _is_anything_due(self) -> bool:
        with reading(self._office.engine) as session:
            return is_anything_due(self._office.judge.context(session))

    def _renew_lease(self) -> bool:
        shares = self._office.shares
        if shares.are_divided:
            return True
        with writing(self._office.engine) as session:
            self._lease_renewed = time.monotonic()
            return leases.take_lease(session, _LEASE, shares.holder, wiring.utc_now(), _LEASE_SECONDS)

    def _end_lease(self) -> None:
        shares = self._office.shares
        if not shares.are_divided:
            with writing(self._office.engine) as session:
                leases.release_leases(session, [_LEASE], shares.holder)

    def _is_wanted(self) -> bool:
        """Asked between mails: stop early when told to, and never work on an ended lease."""
        self._watch.beat()
        if self._stopping:
            return False
        if time.monotonic() - self._lease_renewed < _RENEW_SECONDS:
            return True
        return self._renew_lease()
