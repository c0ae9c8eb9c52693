"""What it costs to start: `ringi --help`, and `ringi once` on an empty folder, beside a Python that does nothing."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bot.bench.mail_desk import NO_DOVECOT, RINGI, MailDesk, has_dovecot, open_mail_desk
from bot.bench.result import BenchFault, Figure, Ratio, Result, Setting

_CASE = "start"
_BARE = (sys.executable, "-c", "pass")
_HELP = (*RINGI, "--help")
_REACH = {"help": 8.0, "once": 30.0}


@dataclass(frozen=True)
class _Cost:
    """Seconds. `cpu`: user and system time of the process and of all that it started and waited for."""

    wall: float
    cpu: float


def measure(setting: Setting) -> Result:
    rounds = 3 if setting.is_quick else 15
    if not has_dovecot():
        return _result(_run_by_turns({"bare": _BARE, "help": _HELP}, rounds), (NO_DOVECOT,))
    with open_mail_desk() as desk:
        return measure_start(desk, rounds)


def measure_start(desk: MailDesk, rounds: int) -> Result:
    # the first round makes the store, its folders and a first revocation list
    desk.once()
    return _result(_run_by_turns({"bare": _BARE, "help": _HELP, "once": desk.command}, rounds), ())


def _run_by_turns(commands: dict[str, Sequence[str]], rounds: int) -> dict[str, _Cost]:
    """Medians, by the commands' names."""
    found: dict[str, list[_Cost]] = {name: [] for name in commands}
    for command in commands.values():
        _cost(command)  # byte code is written, files are in the page cache
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(_cost(command))
    return {
        name: _Cost(median(cost.wall for cost in costs), median(cost.cpu for cost in costs))
        for name, costs in found.items()
    }


def _cost(command: Sequence[str]) -> _Cost:
    # as an installation has it, whoever keeps Python from it while developing
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchFault(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-500:]}")
    return _Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _result(costs: dict[str, _Cost], remarks: tuple[str, ...]) -> Result:
    bare = costs["bare"]
    figures = [
        figure
        for name, cost in costs.items()
        for figure in (
            Figure(f"{name}_wall", cost.wall * 1000, "ms"),
            Figure(f"{name}_cpu", cost.cpu * 1000, "ms"),
        )
    ]
    ratios = [
        ratio
        for name, reach in _REACH.items()
        if name in costs
        for ratio in (
            Ratio(f"{name}_to_bare_wall_ratio", costs[name].wall / bare.wall, reach, is_floor=False),
            Ratio(f"{name}_to_bare_cpu_ratio", costs[name].cpu / bare.cpu, reach, is_floor=False),
        )
    ]
    return Result(_CASE, tuple(figures), tuple(ratios), remarks)
