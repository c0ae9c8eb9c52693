"""Time, CPU and memory, of this process and of others (Linux's /proc)."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Spent:
    """Seconds. `cpu`: user and system time of this process and of `pids`; 0.0 until the block ended."""

    wall: float = 0.0
    cpu: float = 0.0
    by_pid: dict[int, float] = field(default_factory=dict)


@contextmanager
def metered(*pids: int) -> Iterator[Spent]:
    """What the block costs, in this process and in those of `pids`, which must outlive it."""
    spent = Spent()
    before = {pid: cpu_seconds(pid) for pid in pids}
    cpu, wall = time.process_time(), time.perf_counter()
    yield spent
    spent.wall = time.perf_counter() - wall
    own = time.process_time() - cpu
    spent.by_pid = {pid: cpu_seconds(pid) - before[pid] for pid in pids}
    spent.cpu = own + sum(spent.by_pid.values())


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads, and of its children that ended and were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # utime, stime, cutime, cstime are fields 14 to 17; two stand before the bracket
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS


def resident_bytes(pid: int) -> int:
    return _status(pid, "VmRSS")


def peak_resident_bytes(pid: int) -> int:
    """The most it ever had."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has ended")


def seconds_each(what: Callable[[], object], *, at_least: float = 0.2) -> float:
    """Wall seconds of one call, over as many as `at_least` seconds take."""
    count, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < at_least or not count:
        what()
        count += 1
    return passed / count


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
