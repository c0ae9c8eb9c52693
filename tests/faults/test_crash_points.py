"""A sample of what `make faults` tries in full: nothing lost, nothing doubled, wherever the program is hit."""

import json
import random
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.hunt import hunt
from tests.faults.journeys import STEPS
from tests.faults.planted import PLANTS
from tests.faults.points import Fault, Point, is_for, tracing
from tests.faults.prefork import Hit, Nursery, Order
from tests.faults.rig import Record, Rig, played
from tests.faults.seccomp import is_permitted
from tests.faults.trial import Court, Outcome, Verdict
from tests.required import do_without

_SEED = 20261129
_COUNTS = {Fault.KILL: 5, Fault.STORE: 12}  # a step
_MOVED = PLANTS[0]
_NOT_PERMITTED = "seccomp's user notification is not permitted here: strace does all the hitting"
_FATES = {Fault.KILL: "?", Fault.ENOSPC: "-1 ENOSPC", Fault.EIO: "-1 EIO", Fault.FULL: "-1 ENOSPC"}


@pytest.fixture(scope="module")
def journey() -> Iterator[tuple[Rig, list[Record]]]:
    """An application and its approval."""
    with played(STEPS[:2]) as found:
        yield found


@pytest.fixture(scope="module", params=["seccomp", "strace"])
def by_strace(request: pytest.FixtureRequest) -> bool:
    if request.param == "seccomp" and not is_permitted():
        do_without("seccomp", _NOT_PERMITTED)
    return bool(request.param == "strace")


def _sample(points: Sequence[Point], fault: Fault, count: int) -> list[Point]:
    """Of both processes, where both can be hit."""
    fitting = [point for point in points if is_for(point, fault)]
    signers = [point for point in fitting if point.role == "signer"] or fitting
    chance = random.Random(f"{_SEED} {fault}")
    return [*chance.sample(fitting, count - 1), chance.choice(signers)]


def _fate(line: str) -> str:
    """`= ?`: it was never made."""
    return line.rpartition("= ")[2].partition(" (")[0]


def _bad(outcomes: Sequence[Outcome]) -> list[str]:
    return [str(outcome) for outcome in outcomes if outcome.verdict is not Verdict.HELD]


@pytest.mark.parametrize("fault", Fault)
def test_whatever_a_process_was_writing_nothing_is_lost_and_nothing_doubled(
    need: Callable[[str], str], request: pytest.FixtureRequest, fault: Fault
) -> None:
    need("strace")
    rig, records = request.getfixturevalue("journey")
    court = Court(rig, by_strace=not is_permitted())
    count = _COUNTS.get(fault, 2)
    outcomes = [
        court.attempt(record, point, fault)
        for record in records
        for point in _sample(record.points, fault, count)
    ]
    assert not _bad(outcomes)


@pytest.mark.parametrize("fault", _FATES)
def test_seccomp_hits_the_call_that_strace_counts(
    need: Callable[[str], str], request: pytest.FixtureRequest, fault: Fault
) -> None:
    """strace looks on while seccomp hits, in the same run."""
    need("strace")
    if not is_permitted():
        do_without("seccomp", _NOT_PERMITTED)
    rig, records = request.getfixturevalue("journey")
    for record in records:
        for point in _sample(record.points, fault, 2):
            rig.put_back(record)
            trace = rig.trace_file(point.role)
            looking = (*tracing(str(trace)), "-e", f"trace={point.call}")
            run = rig.once(record.now, traces=[(point.role, looking)], hit=(point, fault))
            lines = [line for line in trace.read_text().splitlines() if line.startswith(f"{point.call}(")]
            assert run.hit == Hit(True, point.nth if fault is Fault.KILL else len(lines))
            assert _fate(lines[point.nth - 1]) == _FATES[fault]
            assert not any(_fate(line) in _FATES.values() for line in lines[: point.nth - 1])
            assert f"/{point.where}" in lines[point.nth - 1] or not point.where.endswith(".db")


@pytest.mark.parametrize(("role", "call"), [("desk", "pwrite64"), ("desk", "openat"), ("signer", "pwrite64")])
def test_where_a_run_makes_fewer_calls_its_last_one_is_hit(
    need: Callable[[str], str], request: pytest.FixtureRequest, by_strace: bool, role: str, call: str
) -> None:
    need("strace")
    rig, records = request.getfixturevalue("journey")
    there = [point.nth for point in records[0].points if (point.role, point.call) == (role, call)]
    outcome = Court(rig, by_strace=by_strace).attempt(
        records[0], Point(role, call, there[-1] + 1000), Fault.KILL
    )
    assert outcome.verdict is Verdict.HELD, str(outcome)
    assert outcome.point.nth < there[-1] + 100


def test_a_call_that_no_run_makes_is_missed(
    need: Callable[[str], str], request: pytest.FixtureRequest, by_strace: bool
) -> None:
    need("strace")
    rig, records = request.getfixturevalue("journey")
    outcome = Court(rig, by_strace=by_strace).attempt(records[0], Point("signer", "symlink", 1), Fault.KILL)
    assert outcome.verdict is Verdict.MISSED, str(outcome)


def test_the_trials_find_a_mail_that_is_moved_before_the_commit(
    need: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    need("strace")
    rig, records = request.getfixturevalue("journey")
    _, outcome = hunt(rig, records, _MOVED, most=20, by_strace=not is_permitted())
    assert outcome is not None
    assert outcome.verdict is Verdict.LOST, str(outcome)


def test_a_nursery_outlives_whoever_is_killed_as_it_asks(tmp_path: Path) -> None:
    """A desk that starts its signer, before its order is said and before it is answered."""
    with tempfile.TemporaryDirectory(prefix="rn") as place, Nursery(Path(place)) as nursery:
        for message in (None, {"role": "signer", "run": "", "stays": "", "now": "2026-11-30T00:00:00+00:00"}):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
                asking.connect(str(nursery.path))
                if message:
                    whole = {**message, "arguments": ["--help"], "code": "", "signers": str(nursery.path)}
                    with (tmp_path / "nothing").open("w+b") as file:
                        socket.send_fds(asking, [json.dumps(whole).encode()], [file.fileno()] * 3)
        with (tmp_path / "out").open("wb") as out, (tmp_path / "log").open("wb") as log:
            child = nursery.start(Order(("--help",), datetime.now(UTC)), out, log)
        assert child.wait(60) == 0
        child.wait_for_all(60)
    assert "ringi" in (tmp_path / "out").read_text()
