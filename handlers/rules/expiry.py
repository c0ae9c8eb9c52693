"""When people hear that names are about to lose their certificate, and which names these are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

# days before the end, of a certificate that is valid for the longest time there ever was under public rules
_STEPS = (60, 30, 14, 7, 1)
_LONGEST_DAYS = 398
# how many of the last steps the officers hear of, too
_OFFICERS_STEPS = 2
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Cover:
    """One certificate that is neither revoked nor expired. `id` grows with each one that is issued;
    `contact`: the address its notices go to, in lower case."""

    id: int
    names: tuple[str, ...]
    ends: datetime
    contact: str


def steps_of(validity: timedelta) -> tuple[int, ...]:
    """Whole days before the end, largest first: 60, 30, 14, 7, 1, shrunk with a validity below 398 days.

    47 days: 8, 4, 2, 1. None is below 1, and none comes twice.
    """
    days = min(_LONGEST_DAYS, -(-validity // _DAY))
    return tuple(sorted({max(1, -(-step * days // _LONGEST_DAYS)) for step in _STEPS}, reverse=True))


def officers_steps_of(validity: timedelta) -> tuple[int, ...]:
    """Those of `steps_of` at which officers are told as well."""
    return steps_of(validity)[-_OFFICERS_STEPS:]


def step_at(validity: timedelta, days_left: int) -> int:
    """The step that a notice planned `days_left` days before the end belongs to; a postponed one keeps its own."""
    steps = steps_of(validity)
    return min((step for step in steps if step >= days_left), default=steps[0])


def uncovered_names(own: Cover, others: Iterable[Cover], step: int) -> tuple[str, ...]:
    """The names of `own` that nobody will answer for after its end, in their order.

    Another certificate covers a name if it ends later by `step` days or more: one that ends about when `own` does
    needs renewing itself. Yet if both have the same contact, the name is told once, with the one that ends last.
    """
    covered = {name for other in others if _covers(other, own, step) for name in other.names}
    return tuple(name for name in own.names if name not in covered)


def _covers(other: Cover, own: Cover, step: int) -> bool:
    if other.ends - own.ends >= step * _DAY:
        return True
    return other.contact == own.contact and (other.ends, other.id) > (own.ends, own.id)
