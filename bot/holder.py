"""Who holds a lease: this process, and whether another holder can still be alive."""

import os
import secrets
import socket
from pathlib import Path

from store.leases import Holder

# the field of /proc/PID/stat behind the name that says when the process began, in ticks since boot
_START = 19
_NONCE = secrets.token_hex(4)  # in its place where there is no /proc


def this_process() -> Holder:
    pid = os.getpid()
    return Holder(f"{_place()} {pid} {_started(pid) or _NONCE}", is_dead, is_near)


def is_dead(holder: str) -> bool:
    """Whether `holder` surely ended: it ran where we run, and its process is gone. Elsewhere nobody can know."""
    place, _, rest = holder.partition(" ")
    pid, _, started = rest.partition(" ")
    if place != _place() or not pid.isdecimal():
        return False
    if not _is_running(int(pid)):
        return True
    # the number may have been given anew, in a container to the restarted service itself
    running = _started(int(pid))
    return running != started if running else int(pid) == os.getpid()


def is_near(holder: str) -> bool:
    """Whether it runs, or ran, where we run."""
    return holder.partition(" ")[0] == _place()


def _place() -> str:
    """This machine, and on Linux this process namespace: two containers may share a host name, not the latter."""
    try:
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        namespace = "-"
    return f"{socket.gethostname()}/{namespace}"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str | None:
    """When it began, as the kernel counts; None where there is no /proc. One that nobody waited for has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the name is in parentheses and may hold any character
    fields = text.rpartition(")")[2].split()
    return "zombie" if fields[0] == "Z" else fields[_START]
