"""Officers' keys that are about to end: who hears of it, and when.

`plan_key_warnings` is called by the daily sweep and after every change of the register; `handlers.remind` does the
rest.
"""

from datetime import timedelta

from handlers.alarm import alarm
from handlers.context import Context
from handlers.letters.monitor import AlarmCode
from handlers.letters.officer import OfficerKeyEnding
from handlers.notices import Notice, to_officer
from handlers.plan import morning_of
from handlers.rules.key_ends import (
    WARNING_DAYS,
    OfficerKey,
    days_left,
    needs_warning,
)
from handlers.rules.working_days import local_day
from store.dues import DueKind, drop_kind, plan_due
from store.tables import Due

Notices = tuple[Notice, ...]


def plan_key_warnings(ctx: Context) -> None:
    """Plan anew by the register in force: a key that has a successor now is not warned of, one that lost it is.

    What was said once is not said again: a due that is done stays known.
    """
    drop_kind(ctx.session, DueKind.KEY_ENDING)
    for key in ctx.officer_keys:
        if key.ends_at is None or not needs_warning(key, ctx.officer_keys, ctx.now):
            continue
        last_day = local_day(key.ends_at, ctx.desk.utc_offset_hours)
        for days in WARNING_DAYS:
            moment = morning_of(ctx, last_day - timedelta(days=days))
            plan_due(ctx.session, DueKind.KEY_ENDING, key.fingerprint, moment)


def warn_of_key(ctx: Context, due: Due) -> Notices:
    """The key's officer and the monitors, unless it ended, left the register or has a successor by now."""
    key = next((key for key in ctx.officer_keys if key.fingerprint == due.what), None)
    if key is None or key.ends_at is None or not needs_warning(key, ctx.officer_keys, ctx.now):
        return ()
    institution = ctx.register.institutions[key.institution]
    officer = institution.officer(key.officer)
    if officer is None or not institution.active:
        return ()
    left = days_left(key, ctx.now, ctx.desk.utc_offset_hours)
    letter = OfficerKeyEnding(
        officer_name=officer.name,
        institution=institution.name,
        scheme=key.scheme,
        fingerprint=key.fingerprint,
        ends_at=key.ends_at,
        days_left=left,
    )
    return (
        to_officer(institution, officer, letter),
        *alarm(ctx, AlarmCode.KEY_ENDING, _key_in_words(key, left)),
    )


def _key_in_words(key: OfficerKey, left: int) -> str:
    return (
        f"{key.institution}/{key.officer}: the {key.scheme.value} key {key.fingerprint} signs only until "
        f"{key.ends_at:%Y-%m-%d %H:%M} UTC ({left} days), and the register pins none that takes over"
    )
