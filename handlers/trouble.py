"""What is wrong for a while: told once when it has lasted, again only when it gets worse, and once when it is over.

`bot.watch` looks; what it saw is held here against what stood in the store. So it makes no difference which process
looked before, and a restart repeats nothing. Alarms of things that happen once are `handlers.alarm`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from handlers.context import Context
from handlers.letters.monitor import MonitorRecovered, MonitorTrouble
from handlers.notices import Notice
from store import journal, troubles
from store.tables import Trouble
from store.troubles import TroubleKind

# these come and go, and mostly mend themselves: told after `Desk.down_minutes`
_MAY_PASS = (TroubleKind.IMAP, TroubleKind.SMTP, TroubleKind.SIGNER, TroubleKind.OPENPGP)
_LONGEST_ABOUT = 255


@dataclass(frozen=True)
class Seen:
    """One thing that is wrong. `about`: which one. `stage`: told again when it grows. `is_sure`: it does not pass."""

    about: str
    detail: str
    stage: int = 0
    is_sure: bool = False


@dataclass(frozen=True)
class Look:
    """Everything that is wrong of one kind. Who could not look gives none: what stood there stays. `only`: nothing but
    this one was looked at; empty: all there is."""

    kind: TroubleKind
    seen: tuple[Seen, ...] = ()
    only: str = ""


class Step(StrEnum):
    NOTED = "noted"  # it may still pass: nobody is told
    TOLD = "told"
    WORSE = "worse"
    EASED = "eased"  # as bad as once before: nobody is told
    PASSED = "passed"  # before anybody was told
    OVER = "over"


_UNTOLD = (Step.NOTED, Step.EASED, Step.PASSED)


@dataclass(frozen=True)
class News:
    """What changed in the store, and the mails that are due for it."""

    step: Step
    kind: TroubleKind
    about: str
    detail: str
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class _Change:
    step: Step
    kind: TroubleKind
    about: str
    seen: Seen | None = None


def is_news(ctx: Context, looks: Sequence[Look]) -> bool:
    """Whether `settle` would change anything: mostly not, and then nobody needs the write lock."""
    return next(_changes(ctx, looks), None) is not None


def settle(ctx: Context, looks: Sequence[Look]) -> list[News]:
    """Bring the rows to what was seen."""
    return [_carry_out(ctx, change) for change in list(_changes(ctx, looks))]


def _changes(ctx: Context, looks: Sequence[Look]) -> Iterator[_Change]:
    rows = {(TroubleKind(row.kind), row.about): row for row in troubles.standing(ctx.session)}
    seen = {(look.kind, one.about[:_LONGEST_ABOUT]): one for look in looks for one in look.seen}
    looked = {(look.kind, look.only[:_LONGEST_ABOUT]) for look in looks}
    for (kind, about), one in seen.items():
        row = rows.get((kind, about))
        since = row.since if row else ctx.now
        if row is None or row.told_at is None:
            if one.is_sure or _has_lasted(ctx, kind, since):
                yield _Change(Step.TOLD, kind, about, one)
            elif row is None:
                yield _Change(Step.NOTED, kind, about, one)
        elif one.stage != row.stage:
            yield _Change(Step.WORSE if one.stage > row.stage else Step.EASED, kind, about, one)
    for (kind, about), row in rows.items():
        if (kind, about) in seen:
            continue
        if (kind, "") in looked or (kind, about) in looked:
            yield _Change(Step.PASSED if row.told_at is None else Step.OVER, kind, about)
        elif row.told_at is None and _has_lasted(ctx, kind, row.since):
            # nobody could look again since, as with no mail to send
            yield _Change(Step.TOLD, kind, about)


def _has_lasted(ctx: Context, kind: TroubleKind, since: datetime) -> bool:
    patience = timedelta(minutes=ctx.desk.down_minutes if kind in _MAY_PASS else 0)
    # a clock that was ahead when it began must not keep it secret
    return not timedelta(0) <= ctx.now - since < patience


def _carry_out(ctx: Context, change: _Change) -> News:
    seen = change.seen
    row = troubles.begin(ctx.session, change.kind, change.about, ctx.now, seen.detail if seen else "")
    if seen:
        row.detail, row.stage = seen.detail, seen.stage
    news = News(change.step, change.kind, change.about, row.detail)
    if change.step in (Step.PASSED, Step.OVER):
        ctx.session.delete(row)
    if change.step in _UNTOLD:
        return news
    if change.step is Step.TOLD:
        row.told_at = ctx.now
    facts = {"kind": row.kind, "about": row.about, "since": journal.written_time(row.since)}
    journal.append(ctx.session, ctx.now, "trouble", {**facts, "step": change.step, "detail": row.detail})
    letter = _letter(ctx, row, change)
    return replace(news, notices=tuple(Notice(monitor, "both", letter) for monitor in ctx.desk.monitors))


def _letter(ctx: Context, row: Trouble, change: _Change) -> MonitorTrouble | MonitorRecovered:
    if change.step is Step.OVER:
        return MonitorRecovered(change.kind, row.about, row.since, ctx.now)
    is_worse = change.step is Step.WORSE
    return MonitorTrouble(change.kind, row.about, row.detail, row.since, is_worse)
