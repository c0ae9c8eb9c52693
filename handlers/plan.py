"""What must be looked at again, and when: planned with what gives rise to it, done by `handlers.remind`."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone

from handlers.context import Context
from handlers.rules.expiry import officers_steps_of, steps_of
from handlers.rules.register import Institution
from handlers.rules.working_days import add_working_days, is_working_day, local_day
from handlers.views import is_urgent
from store.dues import DueKind, Plan, drop_dues, plan_due, plan_dues
from store.tables import Application, Certificate

# from the download of a renewal, in days: a word to its applicant, and to the officers (manual 1-2-6, 1-2-9)
REPLACE_DAYS = (7, 13)
REVOKE_OLD_DAYS = 14
# from the receipt of a revocation because of a compromised key
_URGENT_HOURS = (2, 4, 8)
_MORNING_HOUR = 9


def plan_decision(ctx: Context, application: Application) -> None:
    """When officers are reminded: in the morning after half of their working days; of an urgent one within hours; and
    when the next batch is made."""
    if is_urgent(application):
        moments = [ctx.now + timedelta(hours=hours) for hours in _URGENT_HOURS]
    else:
        moments = [_morning_after(ctx, max(1, ctx.desk.lapse_working_days // 2))]
    for moment in moments:
        plan_due(ctx.session, DueKind.DECIDE, application.number, moment)
    institution = ctx.register.institutions.get(application.institution)
    if institution is not None:
        plan_batch(ctx, institution)


def plan_decision_later(ctx: Context, application: Application) -> None:
    """On hold nobody is reminded; the question comes up again on the next working day."""
    plan_due(ctx.session, DueKind.DECIDE, application.number, _morning_after(ctx, 1))


def plan_batch(ctx: Context, institution: Institution) -> None:
    """When the officers get all that is open in one mail: at the desk's hour on this or the next working day."""
    if institution.requests == "at_once":
        return
    today = local_day(ctx.now, ctx.desk.utc_offset_hours)
    moment = morning_of(ctx, today, ctx.desk.batch_hour)
    if moment <= ctx.now or not is_working_day(today, ctx.desk.holidays):
        moment = morning_of(ctx, add_working_days(today, 1, ctx.desk.holidays), ctx.desk.batch_hour)
    plan_due(ctx.session, DueKind.BATCH, institution.id, moment)


def plan_fetching(ctx: Context, certificate: Certificate) -> None:
    """When a certificate counts as forgotten: first its applicant hears of it, then the officers (manual 1-1-5)."""
    plan_dues(ctx.session, _fetching(ctx, certificate))


def plan_issued(ctx: Context, certificates: Iterable[Certificate]) -> None:
    """What follows from certificates that were issued now: until they are fetched, and before they end."""
    plan_dues(ctx.session, [due for c in certificates for due in (*_fetching(ctx, c), *_expiry(ctx, c))])


def _fetching(ctx: Context, certificate: Certificate) -> list[Plan]:
    to_applicant, to_officers = (ctx.now + timedelta(days=days) for days in ctx.desk.not_downloaded_days)
    return [
        Plan(DueKind.FETCH, certificate.serial, to_applicant),
        Plan(DueKind.TELEPHONE, certificate.serial, to_officers),
    ]


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
    plan_dues(ctx.session, _expiry(ctx, certificate))


def _expiry(ctx: Context, certificate: Certificate) -> list[Plan]:
    validity = certificate.not_after - certificate.not_before
    last_day = local_day(certificate.not_after, ctx.desk.utc_offset_hours)
    kinds = (
        (DueKind.EXPIRY, steps_of(validity)),
        (DueKind.EXPIRY_OFFICERS, officers_steps_of(validity)),
    )
    found = [
        Plan(kind, certificate.serial, morning_of(ctx, last_day - timedelta(days=step)))
        for kind, steps in kinds
        for step in steps
    ]
    return [plan for plan in found if plan.due_at > ctx.now]


def morning_of(ctx: Context, day: date, hour: int = _MORNING_HOUR) -> datetime:
    """When people begin that day; `hour` 0: when the day itself begins."""
    zone = timezone(timedelta(hours=ctx.desk.utc_offset_hours))
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def _morning_after(ctx: Context, working_days: int) -> datetime:
    today = local_day(ctx.now, ctx.desk.utc_offset_hours)
    return morning_of(ctx, add_working_days(today, working_days, ctx.desk.holidays))
