"""The daily digest: is all well, what went through, what waits, what needs a person (mail-protocol 7).

Each covers the time from the one before, to the second, up to the desk's hour: nothing is counted twice or left out,
also where one comes late. After days without the service one digest tells of all of them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

from handlers.context import Context
from handlers.letters.monitor import (
    MonitorAlarm,
    MonitorDigest,
    Need,
    NeedView,
    RefusedView,
    TroubleView,
    WaitingView,
)
from handlers.notices import Notice
from handlers.plan import morning_of
from handlers.rules.reasons import Reason
from handlers.rules.working_days import local_day
from store import counting, dues, journal, troubles
from store.counting import Waiting
from store.dues import DueKind
from store.states import RevocationReason
from store.tables import Due
from store.troubles import TroubleKind

_WHAT = "monitors"
_DAY = timedelta(days=1)
_PATIENCE = timedelta(hours=1)  # how long our own part may take before a person is asked to look
_PICTURE_DAYS = 30
_EXPIRY_DAYS = (7, 30)
_MOST_REASONS, _MOST_IDS, _MOST_INSTITUTIONS = 5, 5, 10
SILENCES = (
    Reason.AUTOMATIC,
    Reason.STRANGER,
    Reason.DUPLICATE,
    Reason.HELPED_TODAY,
    Reason.ANSWERED_OFTEN,
    Reason.MUTED,
)


def plan_digest(ctx: Context) -> None:
    """Note when the next one is due. Called by the daily sweep: a changed hour, or a clock that was far ahead, leaves
    nothing behind."""
    dues.drop_future(ctx.session, DueKind.DIGEST, ctx.now)
    if ctx.desk.monitors:
        dues.plan_due(ctx.session, DueKind.DIGEST, _WHAT, _hour_after(ctx))


def send_digest(ctx: Context, due: Due) -> tuple[Notice, ...]:
    """One mail to each monitor. One that was missed is made at once, up to the newest hour that passed."""
    plan_digest(ctx)
    newest = _hour_after(ctx) - _DAY
    if due.due_at < newest:
        # noted as that hour's own, a clock set back does not make it again
        ctx.session.delete(due)
        ctx.session.flush()
        dues.plan_due(ctx.session, DueKind.DIGEST, _WHAT, newest)
        return ()
    since = dues.last_done(ctx.session, DueKind.DIGEST, _WHAT, due.due_at) or due.due_at - _DAY
    return tuple(
        Notice(monitor, "both", make_digest(ctx, since, due.due_at, monitor)) for monitor in ctx.desk.monitors
    )


def make_digest(ctx: Context, since: datetime, until: datetime, monitor: str) -> MonitorDigest:
    """What happened in [since, until), and how things stand at `ctx.now`."""
    session = ctx.session
    waiting = counting.waiting_by_institution(session, ctx.now)
    reasons = counting.top_reasons(session, since, until, SILENCES, _MOST_REASONS)
    newest = journal.newest_line(session)
    return MonitorDigest(
        since=since,
        until=until,
        next_at=_hour_after(ctx),
        troubles=tuple(_troubles(ctx)),
        needs=tuple(_needs(ctx, since, until, monitor)),
        flow=counting.count_flow(session, since, until, SILENCES),
        refused=tuple(RefusedView(r.reason, _known(r.reason), r.count) for r in reasons),
        undecided=counting.undecided_ages(session, ctx.now),
        unfetched=counting.unfetched_ages(session, ctx.now),
        waiting=tuple(_view(ctx, one) for one in waiting[:_MOST_INSTITUTIONS]),
        others=len(waiting[_MOST_INSTITUTIONS:]),
        expiring=tuple(counting.count_expiring(session, ctx.now, days) for days in _EXPIRY_DAYS),
        received=counting.received_by_day(session, until, _PICTURE_DAYS),
        issued=counting.issued_by_day(session, until, _PICTURE_DAYS),
        entries=newest[0],
        head=newest[1],
    )


def _needs(ctx: Context, since: datetime, until: datetime, monitor: str) -> Iterator[NeedView]:
    """What happened in the window, then what stands badly now; of each kind only if there is any."""
    session, before = ctx.session, ctx.now - _PATIENCE
    alarms = counting.find_alarms(session, since, until, MonitorAlarm.template, monitor, _MOST_IDS)
    found = {
        Need.URGENT: counting.find_urgent(session, RevocationReason.KEY_COMPROMISE, _MOST_IDS),
        Need.UNISSUED: counting.find_unissued(session, before, _MOST_IDS),
        Need.UNSENT: counting.find_unsent(session, before, _MOST_IDS),
        Need.NO_POLICY: counting.find_without_policy(session, _MOST_IDS),
        Need.SET_ASIDE: counting.find_set_aside(session, _MOST_IDS),
        Need.UNDELIVERED: counting.find_undelivered(session, since, until, _MOST_IDS),
        Need.ALARMS: alarms,
        Need.SILENCED: counting.find_silenced(session, since, until, _MOST_IDS),
        Need.OVER_QUOTA: counting.find_over_quota(session, since, until, _MOST_IDS),
    }
    for kind, one in found.items():
        if one.count:
            yield NeedView(kind, one.count, one.about)


def _troubles(ctx: Context) -> Iterator[TroubleView]:
    """What is still wrong, and was told when it began."""
    for kind, found in groupby(troubles.told(ctx.session), lambda row: row.kind):
        rows = list(found)
        about = tuple(f"{row.about}: {row.detail}" for row in rows[:_MOST_IDS])
        yield TroubleView(TroubleKind(kind), len(rows), rows[0].since, about)


def _view(ctx: Context, one: Waiting) -> WaitingView:
    institution = ctx.register.institutions.get(one.institution)
    return WaitingView(
        institution=institution.name if institution else one.institution,
        undecided=one.undecided,
        undecided_days=_days_since(ctx, one.oldest_undecided),
        deadline=one.deadline,
        unfetched=one.unfetched,
        unfetched_days=_days_since(ctx, one.oldest_unfetched),
    )


def _days_since(ctx: Context, moment: datetime | None) -> int:
    return max(0, (ctx.now - moment).days) if moment else 0


def _known(code: str) -> Reason | None:
    return Reason(code) if code in set(Reason) else None


def _hour_after(ctx: Context) -> datetime:
    """The desk's hour on people's clocks, the next after now."""
    today = local_day(ctx.now, ctx.desk.utc_offset_hours)
    moment = morning_of(ctx, today, ctx.desk.digest_hour)
    return moment if moment > ctx.now else moment + _DAY
