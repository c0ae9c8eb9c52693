"""Starting a server program in the foreground on free ports of 127.0.0.1, and ending it for sure."""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

_START_SECONDS = 20
# our end of the pipe closes when we end, however that happens; then the whole process group goes
_UNTIL_WE_END = '{ "$@" </dev/null; kill -9 0; } & read _; kill -9 0'

Server = TypeVar("Server")


class ServerFault(Exception):
    """A test server did not start; the text holds the end of its log."""


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listened on a moment ago."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Running:
    """A foreground process with its own process group, which ends by `stop` or with the test process."""

    def __init__(self, command: list[str], *, log: Path, user: str | None = None) -> None:
        self._log = log
        self._command = command
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ports: list[int]) -> None:
        """Returns when every port takes connections; raises `ServerFault` if that does not happen."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _UNTIL_WE_END, "sh", *self._command],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True, **_identity(self._user),
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not all(map(_answers, ports)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerFault(f"{self._command[0]} did not start:\n{self._last_lines()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill the process and all its children at once: nothing of a test server is worth saving."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-15:])


def with_new_ports(start: Callable[[], Server]) -> Server:
    """What `start` returns; three tries, as somebody may take a free port before the server binds it."""
    for _ in range(2):
        try:
            return start()
        except ServerFault as fault:
            if "in use" not in str(fault):
                raise
    return start()


def _identity(user: str | None) -> dict[str, Any]:
    return {} if user is None else {"user": user, "group": _group_of(user), "extra_groups": []}


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
