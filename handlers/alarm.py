"""Telling the monitors what a person must look at."""

from handlers.context import Context
from handlers.notices import MonitorAlarm, Notice


def alarm(ctx: Context, what: str, detail: str) -> tuple[Notice, ...]:
    """One mail to every monitor, in both languages. `what`: a short code."""
    return tuple(Notice(monitor, "both", MonitorAlarm(what, detail)) for monitor in ctx.desk.monitors)
