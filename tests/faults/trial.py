"""One trial: the desk as it was before a step, a fault at one point, restarts until it is quiet, the comparison.

Many calls lie within one transaction, and being killed at any of them leaves the same behind. What is left behind is
looked at after each trial (in a copy: the database's own recovery is the program's to do). The restarts are played for
the first trial that leaves a picture behind, and again for every `_AGAIN`th that leaves the same.
"""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from tests.faults.picture import (
    LEDGER,
    STORE,
    Picture,
    check_journal,
    compare,
    sent_of,
    take_picture,
    under_way,
)
from tests.faults.points import Fault, Point, find_points, options
from tests.faults.rig import Record, Rig, Run
from tests.faults.store_faults import failing, has_failed

# longer than any pause after one failure, so that each round finds everything due
_PAUSE = timedelta(minutes=20)
_ROUNDS = 4
# what the monitors are told of what was met, and of its end
_ALARMS = ("monitor.alarm", "monitor.trouble", "monitor.recovered", 'journal ["trouble"]')
_AGAIN = 10
_AIMS = 4


class Verdict(StrEnum):
    HELD = "held"
    LOST = "lost"  # something is missing that the undisturbed run has
    DOUBLED = (
        "doubled"  # something is there that the undisturbed run has not, or a mail that nothing answers for
    )
    STUCK = "stuck"  # mails or answers still wait after all restarts
    SILENT = "silent"  # an error that was told to nobody
    BROKEN = "broken"  # an error that ended a process by an exception that nothing caught
    MISSED = "missed"  # no run came to such a call


@dataclass(frozen=True)
class Outcome:
    """`repeats`: mails that came again because the server's answer was lost. `alarms`: mails to the monitors that say
    what was met. `was_restarted`: not only compared."""

    record: str
    journey: str
    point: Point
    fault: Fault
    verdict: Verdict
    repeats: int = 0
    alarms: int = 0
    why: str = ""
    was_restarted: bool = False

    def __str__(self) -> str:
        return f"{self.record}: {self.fault} at {self.point}: {self.verdict} {self.why}".rstrip()


@dataclass(frozen=True)
class _Left:
    """What a fault left behind. `excused`: mails that may come again."""

    picture: Picture
    excused: frozenset[str]
    waiting: int

    def key(self, record: Record, fault: Fault) -> tuple[object, ...]:
        is_kill = fault is Fault.KILL
        return (record.name, is_kill, frozenset(self.picture.items()), len(self.excused), self.waiting)


@dataclass
class Court:
    """Tries points and judges them. `code`: a fault planted in the program, in the run that is hit. `by_strace`: strace
    does the hitting, where seccomp may not."""

    rig: Rig
    code: str = ""
    by_strace: bool = False
    seen: dict[tuple[object, ...], Outcome] = None  # type: ignore[assignment]
    count: Counter[str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.seen, self.count = {}, Counter()

    def attempt(self, record: Record, point: Point, fault: Fault) -> Outcome:
        """A run may make a few calls fewer than the traced one: then the last one that it made is hit, in another."""
        for _ in range(_AIMS):
            run, last = self._hit(record, point, fault)
            if last is None:
                break
            if last == point:
                outcome = self._judge(record, point, fault)
                if outcome.verdict is not Verdict.HELD or fault is Fault.KILL:
                    return outcome
                if run.is_broken:
                    return replace(outcome, verdict=Verdict.BROKEN, why=run.log[-400:])
                if not run.has_complained:
                    return replace(outcome, verdict=Verdict.SILENT, why="nobody was told")
                return outcome
            point = last
        return Outcome(record.name, record.step.journey, point, fault, Verdict.MISSED)

    def _hit(self, record: Record, point: Point, fault: Fault) -> tuple[Run, Point | None]:
        """The point if it was hit; else the last such call that there was; None if there was none."""
        self.rig.put_back(record)
        if fault is Fault.STORE:
            run = self.rig.once(record.now, self.code + failing(point))
            return run, point if has_failed(run.log) else None
        if self.by_strace:
            return self._hit_by_strace(record, point, fault)
        run = self.rig.once(record.now, self.code, hit=(point, fault))
        if run.hit and run.hit.has_hit:
            return run, point
        return run, replace(point, nth=run.hit.last) if run.hit and run.hit.last else None

    def _hit_by_strace(self, record: Record, point: Point, fault: Fault) -> tuple[Run, Point | None]:
        trace = self.rig.trace_file("hit")
        trace.unlink(missing_ok=True)
        run = self.rig.once(record.now, self.code, [(point.role, (*options(point, fault), "-o", str(trace)))])
        text = trace.read_text() if trace.exists() else ""
        if ("killed by SIGKILL" if fault is Fault.KILL else "INJECTED") in text:
            return run, point
        there = find_points(point.role, text.splitlines())
        return run, replace(there[-1], where=point.where) if there else None

    def _judge(self, record: Record, point: Point, fault: Fault) -> Outcome:
        try:
            left = self._look()
        except ValueError as contradiction:
            return Outcome(
                record.name, record.step.journey, point, fault, Verdict.DOUBLED, why=str(contradiction)
            )
        key = left.key(record, fault)
        self.count[record.name] += 1
        if key in self.seen and self.count[record.name] % _AGAIN:
            return replace(self.seen[key], point=point, fault=fault, was_restarted=False)
        outcome = self._restart(record, point, fault, left.excused)
        self.seen.setdefault(key, outcome)
        return outcome

    def _look(self) -> _Left:
        copy, world = self.rig.site.place / "copy", self.rig.site.world
        copy.mkdir(exist_ok=True)
        for name in (STORE, LEDGER):
            (copy / f"{name}-shm").unlink(missing_ok=True)
            for file in (name, f"{name}-wal"):
                (copy / file).unlink(missing_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(self.rig.site.state / file, copy / file)
        told, repeats, strangers = sent_of(copy, world.received())
        rest = Counter({f"stranger {mail}": 1 for mail in strangers})
        picture = take_picture(copy) + told + rest + Counter({"repeat": len(repeats)})
        return _Left(picture, under_way(copy), world.waiting())

    def _restart(self, record: Record, point: Point, fault: Fault, excused: frozenset[str]) -> Outcome:
        site, now = self.rig.site, record.now
        verdict, why, repeats, alarms = Verdict.STUCK, "", list[str](), list[str]()
        for turn in range(_ROUNDS):
            if turn or fault is not Fault.KILL:
                now += _PAUSE
            run = self.rig.once(now)
            try:
                picture, repeats, strangers = self.rig.picture()
                check_journal(site.state)
            except ValueError as contradiction:
                verdict, why = Verdict.DOUBLED, str(contradiction)
                break
            missing, extra = compare(picture, record.expected)
            if fault is not Fault.KILL or point.role == "signer":
                # the desk lived on, and may have told the monitors what it met
                told = [words for words in extra if any(alarm in words for alarm in _ALARMS)]
                alarms = [words for words in told if words.startswith("received ")]
                extra = [words for words in extra if words not in told]
            doubles = [id for id in repeats if id not in excused]
            verdict = _verdict(missing, [*extra, *strangers, *doubles], site.world.waiting())
            why = (
                ""
                if verdict is Verdict.HELD
                else f"missing {missing}; too much {extra} {strangers} {doubles}"
            )
            if verdict is Verdict.HELD:
                break
            why += f"; {run.status} {run.log[-400:]}"
            excused |= under_way(site.state)
        counts = len(repeats), len(alarms)
        return Outcome(record.name, record.step.journey, point, fault, verdict, *counts, why, True)


def _verdict(missing: Sequence[str], extra: Sequence[str], waiting: int) -> Verdict:
    if extra:
        return Verdict.STUCK if all(map(_only_waits, extra)) else Verdict.DOUBLED
    if missing or waiting:
        return Verdict.STUCK if waiting else Verdict.LOST
    return Verdict.HELD


def _only_waits(extra: str) -> bool:
    """A mail in the outbox that is still to go, where the undisturbed run has sent it."""
    waits = ("retry", "unknown", "queued", "sending")
    return extra.startswith("outbox ") and json.loads(extra.removeprefix("outbox "))[3] in waits
