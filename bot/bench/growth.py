"""What a past costs: the same work on stores with a thousand certificates and with a million, interleaved."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from bot.backup.make import make_backup
from bot.bench.data import APPLICANT, DOMAIN
from bot.bench.desk import BOT, MONITOR
from bot.bench.grown_desk import Cost, GrownDesk, open_grown_desk
from bot.bench.meter import metered
from bot.bench.result import Figure, Ratio, Result, Setting
from bot.demo.replies import plain_mail
from bot.wiring import utc_now
from handlers.digest import make_digest
from store.transaction import reading, sqlite_file

_Work = Callable[[], object]
_WARM = 2  # first times that do not count


def measure(setting: Setting) -> Result:
    """CPU of this process and steps of SQLite's machine, beside the smallest store's. The stores are removed again."""
    sizes = (1_000, 10_000) if setting.is_quick else (1_000, 100_000, 1_000_000)
    with ExitStack() as opened:
        desks, figures = [], []
        for size in sizes:
            setting.tell(f"making a store with {size:,} certificates")
            with metered() as spent:
                desks.append(opened.enter_context(open_grown_desk(setting.place / f"{size}", size)))
            figures.append(Figure(f"store_build_{size}", spent.cpu, "s CPU"))
            figures.append(Figure(f"store_bytes_{size}", _store(desks[-1]).stat().st_size / 1e6, "MB"))
        ratios: list[Ratio] = []
        for name, work in WORKS.items():
            setting.tell(name)
            costs = interleaved(desks, work, 5 if setting.is_quick else 15)
            figures += _told(name, desks, costs)
            ratios += _beside(name, desks, costs)
        setting.tell("the daily job and the lists")
        for once in (_daily, _digest, _list, _journal, _backup, _start):
            more, held = once(desks)
            figures += more
            ratios += held
    return Result("growth", tuple(figures), tuple(ratios), _REMARKS)


_REMARKS = (
    "rows of each store: keys, CSRs and certificates of P-256, of a pool of 50; mails and files are not repeated",
    "`ringi once` finds no mail server: what it costs is the start and an empty round",
)


def _application(desk: GrownDesk) -> _Work:
    raw = desk.application()
    return lambda: desk.at_work.receive(raw)


def _decision(desk: GrownDesk) -> _Work:
    desk.at_work.receive(desk.application())
    raw = desk.at_work.approve()
    return lambda: desk.at_work.receive(raw)


def _status(desk: GrownDesk) -> _Work:
    """An officer asks for all that is open."""
    raw = desk.signed("状況\n")
    return lambda: desk.at_work.receive(raw)


def _status_of_name(desk: GrownDesk) -> _Work:
    """An applicant asks for a name."""
    raw = plain_mail(APPLICANT, BOT, "状況", f"状況 host5.{DOMAIN}\n", {})
    return lambda: desk.at_work.receive(raw)


def _unsigned(desk: GrownDesk) -> _Work:
    """Somebody asks something: the answer is help, and the mail is filed as refused."""
    mail = desk.at_work.read(desk.question())
    return lambda: desk.office.intake.take_in(mail)


def _idle(desk: GrownDesk) -> _Work:
    return lambda: desk.service._round(None)


WORKS: Mapping[str, Callable[[GrownDesk], _Work]] = {
    "application": _application,
    "decision": _decision,
    "status": _status,
    "status_of_name": _status_of_name,
    "unsigned": _unsigned,
    "idle_round": _idle,
}


def interleaved(
    desks: Sequence[GrownDesk], work: Callable[[GrownDesk], _Work], times: int
) -> list[list[Cost]]:
    """By desk, each in its turn, so that what else the machine does falls on all."""
    costs: list[list[Cost]] = [[] for _ in desks]
    for n in range(times + _WARM):
        for desk, found in zip(desks, costs, strict=True):
            do = work(desk)
            with desk.costing() as cost:
                do()
            if n >= _WARM:
                found.append(cost)
    return costs


def _told(name: str, desks: Sequence[GrownDesk], costs: Sequence[Sequence[Cost]]) -> list[Figure]:
    return [
        figure
        for desk, found in zip(desks, costs, strict=True)
        for figure in (
            Figure(f"{name}_cpu_{desk.certificates}", 1000 * _cpu(found), "ms"),
            Figure(f"{name}_steps_{desk.certificates}", _steps(found), "steps"),
        )
    ]


def _beside(name: str, desks: Sequence[GrownDesk], costs: Sequence[Sequence[Cost]]) -> list[Ratio]:
    first, *others = costs
    return [
        Ratio(f"{name}_cpu_{desk.certificates}_ratio", _cpu(found) / _cpu(first), 1.2, is_floor=False)
        for desk, found in zip(desks[1:], others, strict=True)
    ]


def _cpu(costs: Sequence[Cost]) -> float:
    """The median: the machine does other things too, and some rounds of the interpreter's own collect its garbage."""
    return statistics.median(cost.cpu for cost in costs)


def _steps(costs: Sequence[Cost]) -> float:
    return statistics.median(cost.steps for cost in costs)


_Found = tuple[list[Figure], list[Ratio]]


def _daily(desks: Sequence[GrownDesk]) -> _Found:
    """The sweep, with nothing new: its steps are those of what is due, however much is planned."""
    costs = interleaved(desks, lambda desk: desk.service._sweep, 3)
    first, *others = (_steps(found) for found in costs)
    return _told("daily_job", desks, costs), [
        Ratio(f"daily_job_steps_{desk.certificates}_ratio", found / first, 1.2, is_floor=False)
        for desk, found in zip(desks[1:], others, strict=True)
    ]


def _digest(desks: Sequence[GrownDesk]) -> _Found:
    """It counts the mails and certificates of thirty days: more where more happened."""

    def write(desk: GrownDesk) -> _Work:
        def work() -> None:
            with reading(desk.engine) as session:
                ctx = desk.office.judge.context(session)
                make_digest(ctx, ctx.now - timedelta(days=1), ctx.now, MONITOR)

        return work

    return _told("digest", desks, interleaved(desks, write, 3)), []


def _list(desks: Sequence[GrownDesk]) -> _Found:
    """一覧 of the institution with a tenth of all certificates, line by line."""
    return _alone(desks, "list")


def _journal(desks: Sequence[GrownDesk]) -> _Found:
    return _alone(desks, "journal")


def _alone(desks: Sequence[GrownDesk], what: str) -> _Found:
    """What a row of a long read costs, and its most memory, which must both stay the same."""
    found = [_read_alone(desk, what) for desk in desks]
    figures = [
        figure
        for desk, one in zip(desks, found, strict=True)
        for figure in (
            Figure(f"{what}_rows_{desk.certificates}", one["rows"], "rows"),
            Figure(f"{what}_speed_{desk.certificates}", one["rows"] / one["cpu"], "rows/s CPU"),
            Figure(f"{what}_peak_{desk.certificates}", one["peak"] / 1e6, "MB"),
        )
    ]
    first, last = found[0], found[-1]
    cost = (last["cpu"] / last["rows"]) / (first["cpu"] / first["rows"])
    return figures, [
        Ratio(f"{what}_row_cost_ratio", cost, 1.2, is_floor=False),
        Ratio(f"{what}_peak_memory_ratio", last["peak"] / first["peak"], 1.2, is_floor=False),
    ]


def _read_alone(desk: GrownDesk, what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bot.bench.alone", what, str(desk.at_work.desk.config_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _backup(desks: Sequence[GrownDesk]) -> _Found:
    """While the desk runs. Of the second: a million would take minutes and three times its seven gigabytes."""
    desk = desks[1]
    config, file = desk.office.config, desk.at_work.desk.config_file
    target = file.parent.parent / "backup.tar.gz"
    with metered() as spent:
        make_backup(config, file, target, "bench", utc_now())
    size = target.stat().st_size
    target.unlink()
    megabytes = _store(desk).stat().st_size / 1e6
    return [
        Figure(f"backup_cpu_{desk.certificates}", spent.cpu, "s"),
        Figure(f"backup_speed_{desk.certificates}", megabytes / spent.wall, "MB/s"),
        Figure(f"backup_bytes_{desk.certificates}", size / 1e6, "MB"),
    ], []


def _start(desks: Sequence[GrownDesk]) -> _Found:
    """`ringi once` as a process of its own."""
    costs = []
    for desk in desks:
        command = [sys.executable, "-m", "bot.cli", "once", "-c", str(desk.at_work.desk.config_file)]
        before = os.times()
        subprocess.run(command, capture_output=True, check=False, timeout=600)
        after = os.times()
        costs.append(after.children_user + after.children_system - before[2] - before[3])
    figures = [
        Figure(f"once_cpu_{d.certificates}", 1000 * c, "ms") for d, c in zip(desks, costs, strict=True)
    ]
    return figures, [Ratio("once_cpu_ratio", costs[-1] / costs[0], 1.2, is_floor=False)]


def _store(desk: GrownDesk) -> Path:
    path = sqlite_file(desk.office.config.store.url)
    assert path is not None
    return path
