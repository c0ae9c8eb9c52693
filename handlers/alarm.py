"""Telling the monitors of something that happened, and that a person must look at."""

from handlers.context import Context
from handlers.letters.monitor import AlarmCode, MonitorAlarm
from handlers.notices import Notice


def alarm(ctx: Context, what: AlarmCode, detail: str) -> tuple[Notice, ...]:
    """One mail to every monitor, in both languages. What stays wrong for a while is `handlers.trouble`'s."""
    return tuple(Notice(monitor, "both", MonitorAlarm(what, detail)) for monitor in ctx.desk.monitors)
