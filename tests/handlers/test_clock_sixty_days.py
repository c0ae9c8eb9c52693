"""Sixty days on a moving clock, with weekends and holidays: every reminder, lapse and end of a hold on its day, once.

What must happen is foretold by a calendar that counts day by day and knows nothing of the handlers.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

import pytest

from handlers.lapse import end_holds, lapse_overdue
from handlers.notices import Notice
from handlers.refreeze import refreeze_changed
from handlers.remind import is_anything_due, remind
from handlers.rules.reasons import Reason
from store.transaction import reading, writing
from tests.applications import (
    SUZUKI,
    TANAKA,
    DeskWorld,
    an_application,
    open_world,
    policies,
    signed,
    tsv_line,
)

JST = timezone(timedelta(hours=9))
OFFICERS = {"suzuki": SUZUKI, "tanaka": TANAKA}
GOLDEN_WEEK = frozenset({date(2027, 4, 29), date(2027, 4, 30), *(date(2027, 5, day) for day in (3, 4, 5))})
NEW_YEAR = frozenset(
    {*(date(2026, 12, day) for day in (29, 30, 31)), date(2027, 1, 1), date(2027, 1, 11), date(2026, 11, 23)}
)
SPANS = {
    "golden week": (date(2027, 4, 12), GOLDEN_WEEK),
    "new year": (date(2026, 11, 20), NEW_YEAR),
}
WORKING_DAYS, HOLD_DAYS, REMINDED_AFTER = 10, 30, 5

# when, to whom, which letter, about which application
Mail = tuple[datetime, str, str, str]


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), JST).astimezone(UTC)


@dataclass
class Case:
    """One application as a clerk with a wall calendar keeps it."""

    number: str
    deadline: date
    reminder: date | None
    state: str = "open"
    held_at: datetime | None = None
    approved_by: set[str] = field(default_factory=set)


@dataclass
class Clerk:
    """The oracle."""

    holidays: frozenset[date]
    cases: dict[str, Case] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    ended_holds: int = 0

    def is_off(self, day: date) -> bool:
        return day.isoweekday() in (6, 7) or day in self.holidays

    def after(self, day: date, count: int) -> date:
        """The day that is so many days of work later."""
        worked = 0
        while worked < count:
            day = date.fromordinal(day.toordinal() + 1)
            if not self.is_off(day):
                worked += 1
        while self.is_off(day):
            day = date.fromordinal(day.toordinal() + 1)
        return day

    def left(self, day: date, deadline: date) -> int:
        count = 0
        while day < deadline:
            day = date.fromordinal(day.toordinal() + 1)
            count += 0 if self.is_off(day) else 1
        return count

    def write(self, now: datetime, case: Case, letter: str, *people: str) -> None:
        self.mails += [(now, f"{who}@example.ac.jp", letter, case.number) for who in people]

    def take(self, now: datetime, day: date, number: str) -> None:
        case = Case(number, self.after(day, WORKING_DAYS), self.after(day, REMINDED_AFTER))
        self.cases[number] = case
        self.write(now, case, "applicant.received", "applicant")
        self.write(now, case, "officer.approval_request", *OFFICERS)

    def decide(self, now: datetime, day: date, number: str, verb: str, who: str) -> Reason:
        case = self.cases[number]
        self.write(now, case, "officer.answer", who)
        reason = self._judge(case, verb, who)
        if reason is not None:
            return reason
        colleague = next(name for name in OFFICERS if name != who)
        if verb == "保留: 確認中です":
            case.state, case.held_at = "held", now
            self.write(now, case, "applicant.held", "applicant")
        elif verb == "再開":
            self._resume(case, day)
            self.write(now, case, "applicant.held", "applicant")
        elif verb == "却下: 不要です":
            case.state = "closed"
            self.write(now, case, "applicant.declined", "applicant")
        else:
            case.approved_by.add(who)
            case.state = "closed" if len(case.approved_by) == 2 else case.state
        self.write(now, case, "officer.decided", colleague)
        done = {"保": Reason.HELD, "再": Reason.RESUMED, "却": Reason.DECLINED, "承": Reason.APPROVED}
        return done[verb[0]]

    def _judge(self, case: Case, verb: str, who: str) -> Reason | None:
        if case.state == "lapsed":
            return Reason.LAPSED
        if verb == "再開":
            return None if case.state == "held" else Reason.NOT_ON_HOLD
        if verb == "承認" and who in case.approved_by:
            return Reason.REPEATED
        if case.state == "held" and verb == "承認":
            return Reason.ON_HOLD
        return Reason.REPEATED if case.state == "held" and verb.startswith("保留") else None

    def _resume(self, case: Case, day: date) -> None:
        assert case.held_at is not None
        held_on = case.held_at.astimezone(JST).date()
        case.deadline = self.after(day, self.left(held_on, case.deadline))
        case.state, case.held_at = "open", None

    def midnight(self, now: datetime, day: date) -> None:
        for case in self.cases.values():
            if case.state == "held" and case.held_at and now - case.held_at > timedelta(days=HOLD_DAYS):
                self._resume(case, day)
                self.ended_holds += 1
                self.write(now, case, "applicant.held", "applicant")
                self.write(now, case, "officer.decided", *OFFICERS)
            elif case.state == "open" and day > case.deadline:
                case.state = "lapsed"
                self.write(now, case, "applicant.lapsed", "applicant")
                self.write(now, case, "officer.lapsed", *OFFICERS)

    def morning(self, now: datetime, day: date) -> None:
        for case in self.cases.values():
            if case.reminder != day:
                continue
            case.reminder = self.after(day, 1) if case.state == "held" else None
            if case.state == "open":
                self.write(now, case, "officer.reminder", *(o for o in OFFICERS if o not in case.approved_by))


@dataclass
class Desk:
    """The real handlers, with what they would mail."""

    world: DeskWorld
    mails: list[Mail] = field(default_factory=list)

    def note(self, notices: tuple[Notice, ...] | list[Notice]) -> None:
        self.mails += [(self.world.now, n.to, n.letter.template, n.number or "") for n in notices]

    def sweep(self) -> None:
        with writing(self.world.engine) as session:
            ctx = self.world.context(session)
            self.note([*end_holds(ctx), *lapse_overdue(ctx), *refreeze_changed(ctx)])

    def remind(self) -> None:
        while self._is_anything_due():
            with writing(self.world.engine) as session:
                self.note(remind(self.world.context(session)))

    def _is_anything_due(self) -> bool:
        with reading(self.world.engine) as session:
            return is_anything_due(self.world.context(session))

    def take(self, fqdn: str) -> str:
        handled = self.world.receive(an_application(tsv_line(fqdn), received_at=self.world.now))
        assert handled.number
        self.note(handled.notices)
        return handled.number

    def decide(self, number: str, verb: str, who: str) -> Reason:
        text = f"{verb}\n\n> コード: {self.world.code(number)}\n"
        handled = self.world.receive(signed(text, who, OFFICERS[who], received_at=self.world.now))
        self.note(handled.notices)
        return handled.reason


@pytest.fixture(params=SPANS)
def span(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Desk, date]]:
    first, holidays = SPANS[request.param]
    world = open_world(tmp_path)
    world.desk = replace(world.desk, holidays=holidays)
    world.change_institution(policies=policies(approvals=2), requests="at_once")
    yield Desk(world), first
    world.engine.dispose()


@pytest.mark.parametrize("seed", [1, 2])
def test_sixty_days_go_as_a_clerk_with_a_calendar_says(span: tuple[Desk, date], seed: int) -> None:
    desk, first = span
    clerk, rng = Clerk(desk.world.desk.holidays), random.Random(seed)
    for offset in range(61):
        day = date.fromordinal(first.toordinal() + offset)
        _night_and_morning(desk, clerk, day)
        for hour in sorted(rng.sample(range(10, 24), 3)):
            desk.world.now = at(day, hour, 30)
            _something(desk, clerk, rng, day, len(clerk.cases))
            desk.remind()
        assert sorted(desk.mails) == sorted(clerk.mails), day
    letters = {letter for _, _, letter, _ in clerk.mails}
    assert clerk.ended_holds
    assert letters >= {"officer.reminder", "applicant.lapsed", "applicant.held", "officer.decided"}


def _night_and_morning(desk: Desk, clerk: Clerk, day: date) -> None:
    for hour, minute in ((0, 5), (9, 0)):
        desk.world.now = at(day, hour, minute)
        if hour == 0:
            desk.sweep()
            desk.sweep()  # asked twice, done once
            clerk.midnight(desk.world.now, day)
        else:
            clerk.morning(desk.world.now, day)
        desk.remind()


def _something(desk: Desk, clerk: Clerk, rng: random.Random, day: date, count: int) -> None:
    """A new application now and then; else an officer decides about one, often about nothing that may be decided."""
    now = desk.world.now
    if count < 24 and rng.random() < 0.25:
        number = desk.take(f"test{count}.example.ac.jp")
        clerk.take(now, day, number)
        return
    going = [case.number for case in clerk.cases.values() if case.state != "closed"]
    if not going or rng.random() < 0.6:
        return
    number, who = rng.choice(going), rng.choice(list(OFFICERS))
    verbs = ["保留: 確認中です", "保留: 確認中です", "再開", "承認", "却下: 不要です"]
    verb = rng.choices(verbs, [4, 2, 2, 2, 1])[0]
    assert desk.decide(number, verb, who) is clerk.decide(now, day, number, verb, who), (now, verb)
