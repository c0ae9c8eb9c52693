"""Where a run can be hit: every system call of its main thread that writes, found in a trace of an undisturbed run."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# what changes a file or leaves the process; openat only where it may make a file.
# sendmsg is left out: only the harness itself uses it, for passing the signer's pipes
WRITING = (
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "sendto",
    "fdatasync",
    "fsync",
    "ftruncate",
    "truncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "chmod",
    "fchmod",
    "fchmodat",
    "openat",
)
# what the store is asked: the error comes instead of the statement or the commit, or after a commit that was done
MOMENTS = ("statement", "commit", "commit's answer")
_LINE = re.compile(r"(\w+)\((.*)")
_FILE = re.compile(r"\d*<([^>]*)>|\"([^\"]*)\"")


class Fault(StrEnum):
    """What is done to the call. `FULL`: this one and all that follow of its kind in this process, as on a disk
    that stays full until somebody makes room. `STORE`: not to a system call, but to what the store is asked."""

    KILL = "SIGKILL"
    ENOSPC = "ENOSPC"
    EIO = "EIO"
    FULL = "ENOSPC from then on"
    STORE = "store gone"


@dataclass(frozen=True, order=True)
class Point:
    """The `nth` call of `call` in the process that plays `role`: a system call, or one of `MOMENTS`. `where`: what it
    wrote to, for people."""

    role: str
    call: str
    nth: int
    where: str = ""

    def __str__(self) -> str:
        return f"{self.role} {self.call}#{self.nth} {self.where}"


def options(point: Point, fault: Fault) -> tuple[str, ...]:
    """strace's, to hit a point."""
    effect = "signal=SIGKILL" if fault is Fault.KILL else f"error={'EIO' if fault is Fault.EIO else 'ENOSPC'}"
    on = "+" if fault is Fault.FULL else ""
    return ("-e", f"trace={point.call}", "-e", f"inject={point.call}:{effect}:when={point.nth}{on}")


def tracing(log: str) -> tuple[str, ...]:
    """strace's, to find the points."""
    return ("-y", "-s", "0", "-e", f"trace={','.join(WRITING)}", "-e", "signal=none", "-o", log)


def find_points(role: str, log: Iterable[str]) -> list[Point]:
    """In the order of the run."""
    seen: Counter[str] = Counter()
    found = []
    for line in log:
        if (match := _LINE.match(line)) is None:
            continue
        call, rest = match.groups()
        seen[call] += 1
        if call != "openat" or "O_CREAT" in rest:
            found.append(Point(role, call, seen[call], _where(rest)))
    return found


def _where(rest: str) -> str:
    match = _FILE.search(rest)
    name = (match[1] or match[2] or "") if match else ""
    return name.rsplit("/", 1)[-1].split(":")[0]


def is_for(point: Point, fault: Fault) -> bool:
    """A disk that is full has no say in what goes to a socket, a pipe or the log."""
    if point.call in MOMENTS or fault is Fault.STORE:
        return point.call in MOMENTS and fault is Fault.STORE
    return fault is not Fault.FULL or point.call in ("pwrite64", "ftruncate", "fallocate", "openat", "mkdir")


def per_step(points: Mapping[str, Sequence[Point]]) -> int:
    return sum(len(found) for found in points.values())
