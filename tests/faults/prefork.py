"""`ringi` as a process of its own without the second that Python takes to load it: forked from one that has loaded it.

`python -m tests.faults.nursery SOCKET` loads every module of the program, opens nothing, and becomes `ringi ARGUMENTS`
by fork for each order that comes in. The child runs the program's own `main` to the interpreter's own end; the signer
that it starts is such a child too. What a run differs by from one that was started cold: its modules are there, and
where the nursery was warmed by rounds of its own, what `tests.faults.warm` keeps of them.

A process of a role that the order wants traced gets a strace of its own before its first step.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from tests.faults.points import Fault, Point


@dataclass(frozen=True)
class Order:
    """What a run is to be. `now`: the time it takes for now, for good. `code`: Python to run before the program.

    `traces`: role (desk, signer) -> strace's options. `hit`: what to hit by seccomp. Only the first process of a role
    in a run is traced or hit. `stays`: the role that is played in the nursery's own process, which is warm afterwards.
    `signers`: the nursery that signers come from; None: the same.
    """

    arguments: tuple[str, ...]
    now: datetime
    code: str = ""
    traces: tuple[tuple[str, tuple[str, ...]], ...] = ()
    hit: tuple[Point, Fault] | None = None
    stays: str = ""
    signers: Path | None = None


@dataclass(frozen=True)
class Hit:
    """`last`: the newest call that there was of the kind that was to be hit, 0: none."""

    has_hit: bool
    last: int


class Nursery:
    """The process that forks; gone with the `with` block."""

    def __init__(self, place: Path, name: str = "nursery") -> None:
        self.path = place / name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery", str(self.path)], stdin=subprocess.PIPE
        )
        end = time.monotonic() + 60
        while not self.path.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the program could not be loaded")
            time.sleep(0.02)

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def start(self, order: Order, stdout: IO[bytes], stderr: IO[bytes]) -> "Child":
        hit = order.hit and {"role": order.hit[0].role, "point": asdict(order.hit[0]), "fault": order.hit[1]}
        message = {
            "role": "desk",
            "arguments": order.arguments,
            "now": order.now.isoformat(),
            "code": order.code,
            "traces": dict(order.traces),
            "hit": hit,
            "stays": order.stays,
            "signers": str(order.signers or self.path),
        }
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            return Child.ask(self.path, message, (null, stdout.fileno(), stderr.fileno()))
        finally:
            os.close(null)


class Child:
    """A forked process, seen from whoever ordered it: the few words of Popen that the program uses."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self.pid = pid
        self.returncode: int | None = None

    @classmethod
    def ask(cls, path: Path, message: dict[str, Any], files: Sequence[int]) -> "Child":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(str(path))
        socket.send_fds(connection, [json.dumps(message).encode()], files)
        return cls(connection, int(connection.recv(64)))

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                self.wait(0)
            except subprocess.TimeoutExpired:
                return None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = int(self._hear(timeout) or -1)
        return self.returncode

    def wait_for_all(self, timeout: float) -> Hit | None:
        """Until its signers, which end when it has ended, and whatever traced them are gone too."""
        self.wait(timeout)
        word = self._hear(timeout)
        self._connection.close()
        return Hit(*json.loads(word)) if word and word != b"null" else None

    def _hear(self, timeout: float | None) -> bytes:
        self._connection.settimeout(timeout)
        try:
            return self._connection.recv(64)
        except (TimeoutError, BlockingIOError):
            raise subprocess.TimeoutExpired("ringi", timeout or 0) from None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)
