"""The doctor's look at what the running service found wrong, and what the monitors know of."""

from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from bot.compose.words import load_alarms
from bot.doctor.finding import Finding, Site
from bot.doctor.store import open_to_look
from bot.watch.emergency import Mark
from store import troubles
from store.tables import Trouble
from store.transaction import reading
from store.troubles import TroubleKind

_PART = "alarms"


def examine_alarms(site: Site) -> Iterator[Finding]:
    """Each trouble that was told and is not over; one without which the desk does not work is a fault."""
    words = load_alarms("en")
    if since := Mark(site.config.alarms.mark).since():
        what = f"the store could not be written since {since:%Y-%m-%d %H:%M} UTC"
        yield Finding(_PART, False, what, words[TroubleKind.STORE]["todo"])
    try:
        rows = _read(site)
    except (SQLAlchemyError, ImportError):
        # the store's own part tells what is wrong with it
        rows = []
    for row in rows:
        say = words[row.kind]
        what = f"{say['title']} since {row.since:%Y-%m-%d %H:%M} UTC: {row.about}: {row.detail}"
        yield Finding(_PART, not troubles.is_acute(row), what, say["todo"])
    if not since and not rows:
        yield Finding(_PART, True, "nothing that the monitors were told of is still wrong")


def _read(site: Site) -> list[Trouble]:
    engine = open_to_look(site)
    if engine is None:
        return []
    try:
        with reading(engine) as session:
            return list(troubles.told(session))
    finally:
        engine.dispose()
