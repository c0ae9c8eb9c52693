"""What must be looked at again, and when: planned with what gives rise to it, done by `handlers.remind`."""

from datetime import UTC, date, datetime, time, timedelta, timezone

from handlers.context import Context
from handlers.rules.expiry import officers_steps_of, steps_of
from handlers.rules.working_days import add_working_days, local_day
from handlers.views import is_urgent
from store.dues import DueKind, drop_dues, plan_due
from store.tables import Application, Certificate

# from the download of a renewal, in days: a word to its applicant, and to the officers (manual 1-2-6, 1-2-9)
REPLACE_DAYS = (7, 13)
REVOKE_OLD_DAYS = 14
# from the receipt of a revocation because of a compromised key
_URGENT_HOURS = (2, 4, 8)
_MORNING_HOUR = 9


def plan_decision(ctx: Context, application: Application) -> None:
    """When officers are reminded: in the morning after half of their working days; of an urgent one within hours."""
    if is_urgent(application):
        moments = [ctx.now + timedelta(hours=hours) for hours in _URGENT_HOURS]
    else:
        moments = [_morning_after(ctx, max(1, ctx.desk.lapse_working_days // 2))]
    for moment in moments:
        plan_due(ctx.session, DueKind.DECIDE, application.number, moment)


def plan_decision_later(ctx: Context, application: Application) -> None:
    """On hold nobody is reminded; the question comes up again on the next working day."""
    plan_due(ctx.session, DueKind.DECIDE, application.number, _morning_after(ctx, 1))


def plan_fetching(ctx: Context, certificate: Certificate) -> None:
    """When a certificate counts as forgotten: first its applicant hears of it, then the officers (manual 1-1-5)."""
    to_applicant, to_officers = ctx.desk.not_downloaded_days
    plan_due(ctx.session, DueKind.FETCH, certificate.serial, ctx.now + timedelta(days=to_applicant))
    plan_due(ctx.session, DueKind.TELEPHONE, certificate.serial, ctx.now + timedelta(days=to_officers))


def drop_fetching(ctx: Context, certificate: Certificate) -> None:
    drop_dues(ctx.session, certificate.serial, (DueKind.FETCH, DueKind.TELEPHONE))


def plan_replacement(ctx: Context, certificate: Certificate) -> None:
    """When applicant and officers are asked about the old certificate of a renewal that was fetched now."""
    for days in REPLACE_DAYS:
        plan_due(ctx.session, DueKind.REPLACE, certificate.serial, ctx.now + timedelta(days=days))
    plan_due(ctx.session, DueKind.REVOKE_OLD, certificate.serial, ctx.now + timedelta(days=REVOKE_OLD_DAYS))


def stop_asking_applicant(ctx: Context, certificate: Certificate) -> None:
    """The applicant reported that this (new) certificate is in place: no more of those questions (manual 1-2-6)."""
    drop_dues(ctx.session, certificate.serial, (DueKind.REPLACE,))


def plan_expiry(ctx: Context, certificate: Certificate) -> None:
    """In the morning, so many days before its end: its contact hears of it, and at the last steps the officers do."""
    validity = certificate.not_after - certificate.not_before
    last_day = local_day(certificate.not_after, ctx.desk.utc_offset_hours)
    for kind, steps in (
        (DueKind.EXPIRY, steps_of(validity)),
        (DueKind.EXPIRY_OFFICERS, officers_steps_of(validity)),
    ):
        for step in steps:
            moment = morning_of(ctx, last_day - timedelta(days=step))
            if moment > ctx.now:
                plan_due(ctx.session, kind, certificate.serial, moment)


def morning_of(ctx: Context, day: date, hour: int = _MORNING_HOUR) -> datetime:
    """When people begin that day; `hour` 0: when the day itself begins."""
    zone = timezone(timedelta(hours=ctx.desk.utc_offset_hours))
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def _morning_after(ctx: Context, working_days: int) -> datetime:
    today = local_day(ctx.now, ctx.desk.utc_offset_hours)
    return morning_of(ctx, add_working_days(today, working_days, ctx.desk.holidays))
