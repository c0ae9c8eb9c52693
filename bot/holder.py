"""Who holds a lease: this process, and whether another holder can still be alive."""

import os
import secrets
import socket
from pathlib import Path


def name_holder() -> str:
    """`place pid nonce`: never the same for two processes."""
    return f"{_place()} {os.getpid()} {secrets.token_hex(4)}"


def is_dead(holder: str) -> bool:
    """Whether `holder` surely ended: it ran where we run, and its process is gone. Elsewhere nobody can know."""
    place, _, rest = holder.partition(" ")
    pid = rest.partition(" ")[0]
    if place != _place() or not pid.isdecimal():
        return False
    # our own number with another nonce: a restart in a container gets the same number again
    return int(pid) == os.getpid() or not _is_running(int(pid))


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
