"""Hitting a system call without strace: a seccomp filter hands every call of one kind over before it is made.

The process that is to be hit installs the filter itself and gives its listener away (`hand_over`); whoever has that
answers each call (`Striker`): let it be made, fail it, or kill the process, which then never makes it. So it is with
strace's injection, which stops every call of the process for it, and twice. seccomp_unotify(2), Linux 5.19 or later.

`python -m tests.faults.seccomp` ends with 0 where that is permitted.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import sys
from array import array
from dataclasses import dataclass

from tests.faults.points import Fault, Point

_AUDIT_ARCH = 0xC000003E
# of x86-64, from asm/unistd_64.h; on other machines strace does the hitting
NUMBERS = {
    "write": 1,
    "pwrite64": 18,
    "writev": 20,
    "pwritev": 296,
    "pwritev2": 328,
    "sendto": 44,
    "fdatasync": 75,
    "fsync": 74,
    "ftruncate": 77,
    "truncate": 76,
    "fallocate": 285,
    "rename": 82,
    "renameat": 264,
    "renameat2": 316,
    "link": 86,
    "linkat": 265,
    "symlink": 88,
    "unlink": 87,
    "unlinkat": 263,
    "mkdir": 83,
    "mkdirat": 258,
    "rmdir": 84,
    "chmod": 90,
    "fchmod": 91,
    "fchmodat": 268,
    "openat": 257,
}
_SECCOMP, _SET_MODE_FILTER = 317, 1
_NEW_LISTENER, _WAIT_KILLABLE = 1 << 3, 1 << 5
_NO_NEW_PRIVS = 38
_ALLOW, _HAND_OVER = 0x7FFF0000, 0x7FC00000
# linux/filter.h: load a word of seccomp_data; compare; return
_LOAD, _COMPARE, _RETURN = 0x20, 0x15, 0x06
_RECEIVE, _SEND, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082104
_SAME_CPU = 1
_NOTICE = struct.Struct("=QIIiIQ6Q")  # id, thread, flags, call, architecture, instruction, arguments
_ANSWER = struct.Struct("=QqiI")  # id, value, error, flags
_CONTINUE = 1
_TRY_SECONDS = 30


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def hand_over(call: str) -> int:
    """From now on every such call of this thread, and of threads and children it will have, waits for an answer at the
    listener that is returned. Raises OSError where the system does not permit it."""
    steps = (
        (_LOAD, 0, 0, 4),
        (_COMPARE, 0, 3, _AUDIT_ARCH),
        (_LOAD, 0, 0, 0),
        (_COMPARE, 0, 1, NUMBERS[call]),
        (_RETURN, 0, 0, _HAND_OVER),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    flags = _NEW_LISTENER | _WAIT_KILLABLE
    listener: int = libc.syscall(_SECCOMP, _SET_MODE_FILTER, flags, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


@dataclass
class Striker:
    """Answers for a process at its listener. `last`: the newest call that is a point (see `WRITING`), counted from 1
    over all calls of its kind by the main thread; other threads' and children's are made and not counted."""

    listener: int
    pid: int
    point: Point
    fault: Fault
    count: int = 0
    last: int = 0
    has_hit: bool = False

    def __post_init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(self.listener, select.POLLIN)
        with contextlib.suppress(OSError):  # Linux 6.6
            fcntl.ioctl(self.listener, _SET_FLAGS, _SAME_CPU)

    def answer(self) -> None:
        """The call that waits, if there is one: a process that has ended makes its listener ready too."""
        if not any(found & select.POLLIN for _, found in self._poll.poll(0)):
            return
        notice = array("B", bytes(_NOTICE.size))
        try:
            fcntl.ioctl(self.listener, _RECEIVE, notice)
        except FileNotFoundError:  # it was killed meanwhile
            return
        id, thread, _, _, _, _, *arguments = _NOTICE.unpack(notice)
        if thread == self.pid and self._is_it(arguments[2]):
            self.has_hit = True
            if self.fault is Fault.KILL:
                os.kill(self.pid, signal.SIGKILL)
                return
            error = errno.EIO if self.fault is Fault.EIO else errno.ENOSPC
            answer = _ANSWER.pack(id, 0, -error, 0)
        else:
            answer = _ANSWER.pack(id, 0, 0, _CONTINUE)
        with contextlib.suppress(FileNotFoundError):
            fcntl.ioctl(self.listener, _SEND, answer)

    def _is_it(self, third: int) -> bool:
        self.count += 1
        is_point = self.point.call != "openat" or bool(third & os.O_CREAT)
        if is_point:
            self.last = self.count
        if self.fault is Fault.FULL:
            # a full disk can still be read
            return is_point and self.count >= self.point.nth
        return self.count == self.point.nth


def give(way: socket.socket, call: str) -> None:
    """`hand_over`, and the listener goes this way."""
    listener = hand_over(call)
    socket.send_fds(way, [b"."], [listener])
    os.close(listener)


def take(way: socket.socket) -> int | None:
    """The listener; None if the other side ended without giving any."""
    _, files, _, _ = socket.recv_fds(way, 1, 1)
    return files[0] if files else None


def is_permitted() -> bool:
    """Tried out: a child's mkdir is failed."""
    if platform.machine() != "x86_64" or sys.platform != "linux":
        return False
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        os._exit(_try_out(theirs))
    theirs.close()
    with ours:
        listener = take(ours)
    if listener is not None:
        striker = Striker(listener, child, Point("", "mkdir", 1), Fault.EIO)
        select.select([listener], [], [], _TRY_SECONDS)
        striker.answer()
        os.close(listener)
    return os.waitpid(child, 0)[1] == 0


def _try_out(way: socket.socket) -> int:
    try:
        give(way, "mkdir")
        os.mkdir("/dev/null/nowhere")
    except OSError as error:
        return 0 if error.errno == errno.EIO else 1
    return 1


if __name__ == "__main__":
    sys.exit(0 if is_permitted() else 1)
