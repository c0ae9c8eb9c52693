"""When things happen: rounds (intake, certify, revoke, deliver), the daily sweep, and what wakes them.

APScheduler only sets flags; all work is done by the one thread that calls `Service.run`.
"""

import random
import threading
import time
from dataclasses import dataclass, replace

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot import wiring
from bot.deliver import deliver_due
from bot.holder import is_dead
from bot.imap.folder import Folder, ImapFault, backoff
from bot.openpgp.call import GpgFault
from bot.web.server import WebServer
from bot.wiring import Office, web_deps
from handlers.alarm import alarm
from handlers.lapse import end_holds, lapse_overdue
from handlers.notices import MonitorAlarm
from handlers.remind import is_anything_due, remind
from store import leases, outbox
from store.tables import Outgoing
from store.transaction import reading, writing

log = structlog.get_logger()
_LEASE = "round"
_LEASE_SECONDS = 120
_RENEW_SECONDS = 30
# what ends a round for now: a store or a gpg that can not be used; the next round tries again
_WORLD = (OperationalError, GpgFault)
_OUTBOX_SECONDS = 30  # how often deferred mails are looked at when nothing else wakes us


@dataclass(frozen=True)
class RoundReport:
    """`fault`: what kept a part of the round from being done; None if all went well."""

    mails: int = 0
    certificates: int = 0
    sent: int = 0
    fault: str | None = None
    revoked: int = 0


class Service:
    """One process's work. `wake` and `stop` may be called from any thread or signal handler."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._woken = threading.Event()
        self._stopping = False
        self._must_reload = False
        self._must_sweep = True
        self._lease_renewed = 0.0

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopping = True
        self.wake()

    def reload(self) -> None:
        """Read the register again before the next round."""
        self._must_reload = True
        self.wake()

    def once(self) -> RoundReport:
        """Exactly one round, and the daily sweep."""
        self._office.judge.authority.note(self._office.engine, wiring.utc_now())
        try:
            with Folder(self._office.config.imap) as folder:
                return self._round(folder)
        except ImapFault as fault:
            log.error("imap", error=str(fault))
            report = self._round(None)
            return replace(report, fault=str(fault))

    def run(self) -> None:
        """Rounds until `stop`, and the download page beside them."""
        self._office.judge.authority.note(self._office.engine, wiring.utc_now())
        server = WebServer(web_deps(self._office, self.wake))
        server.start()
        scheduler = self._start_scheduler()
        log.info("ready", web_port=server.port, instance=self._office.config.instance)
        try:
            self._keep_going()
        finally:
            scheduler.shutdown(wait=False)
            server.stop()
            log.info("stopped")

    def _start_scheduler(self) -> BackgroundScheduler:
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
            try:
                with Folder(self._office.config.imap) as folder:
                    log.info("imap connected", account=folder.account)
                    while not self._stopping:
                        self._woken.clear()
                        self._round(folder)
                        failures = 0
                        folder.wait(self._office.config.imap.poll_seconds, self._woken.is_set)
            except ImapFault as fault:
                failures += 1
                pause = backoff(failures, random.random())
                log.warning("imap", error=str(fault), failures=failures, next_try_seconds=round(pause, 1))
                self._bridge(pause)
            except _WORLD as fault:
                log.error("round", error=str(fault))
                self._bridge(_OUTBOX_SECONDS)

    def _bridge(self, seconds: float) -> None:
        """The time without IMAP: approved rows are still issued, answers still leave."""
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            self._woken.clear()
            try:
                self._round(None)
            except _WORLD as fault:
                log.error("round", error=str(fault))
            self._woken.wait(left)

    def _round(self, folder: Folder | None) -> RoundReport:
        """Intake, certify, revoke, deliver, under the lease; a second process on the same store stands by."""
        office = self._office
        self._reload_if_asked()
        if not self._renew_lease():
            return RoundReport(fault="another process holds the round")
        mails = office.intake.take_all(folder, self._is_wanted) if folder else 0
        # only now: a decision that lay in the folder in time must not find its application lapsed
        if self._must_sweep and folder and self._is_wanted():
            self._sweep()
            self._must_sweep = False
        try:
            certificates = office.certifier.certify_all(self._is_wanted)
            revoked = office.revoker.revoke_all(self._is_wanted)
            self._remind()
        finally:
            # a row that breaks the CA's side must not keep every answer from leaving
            sent, fault = self._deliver()
        with writing(office.engine) as session:
            leases.release_lease(session, _LEASE, office.holder)
        return RoundReport(mails, certificates, sent, fault, revoked)

    def _reload_if_asked(self) -> None:
        if not self._must_reload:
            return
        self._must_reload = False
        try:
            if self._office.judge.authority.reload():
                self._office.judge.authority.note(self._office.engine, wiring.utc_now())
        except _WORLD as fault:
            # an officer may just have been removed: asked for once, it is tried until it is done
            self._must_reload = True
            log.error("reload", error=str(fault))

    def _deliver(self) -> tuple[int, str | None]:
        """Send what is due; SIGTERM and the lease are looked at before each mail: a server may take its time."""
        office, sent = self._office, 0
        with writing(office.engine) as session:
            # nobody else sends under our lease: what is marked as being sent was cut off by a crash
            outbox.recover(session, wiring.utc_now())
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
        """A person was not reached: the monitors are told, unless it is they who can't be."""
        log.error(
            "undelivered", template=outgoing.template, recipient=outgoing.recipient, error=outgoing.error
        )
        if outgoing.template != MonitorAlarm.template:
            ctx = self._office.judge.context(session)
            detail = (
                f"{outgoing.number or '-'}: {outgoing.template} to {outgoing.recipient}: {outgoing.error}"
            )
            self._office.post.queue(session, alarm(ctx, "undelivered", detail), ctx.now)

    def _sweep(self) -> None:
        with writing(self._office.engine) as session:
            ctx = self._office.judge.context(session)
            self._office.post.queue(session, [*end_holds(ctx), *lapse_overdue(ctx)], ctx.now)

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
        with writing(self._office.engine) as session:
            self._lease_renewed = time.monotonic()
            return leases.take_lease(
                session, _LEASE, self._office.holder, wiring.utc_now(), _LEASE_SECONDS, is_dead
            )

    def _is_wanted(self) -> bool:
        """Asked between mails: stop early when told to, and never work on an ended lease."""
        if self._stopping:
            return False
        if time.monotonic() - self._lease_renewed < _RENEW_SECONDS:
            return True
        return self._renew_lease()
