"""The process that becomes `ringi` by fork (see `tests.faults.prefork`): takes orders until its standard input ends."""

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults import seccomp
from tests.faults.points import Fault, Point
from tests.faults.prefork import Child

_NOBODY = b"TracerPid:\t0\n"
_ATTACH_SECONDS = 60
_MODULES = (
    "bot.cli",
    "bot.schedule",
    "bot.wiring",
    "bot.signer.process",
    "bot.web.server",
    "bot.logs",
    "alembic.command",
    "alembic.runtime.migration",
    "sqlalchemy.dialects.sqlite",
    "encodings.idna",
    "tests.faults.warm",
)
_WAY = 3  # the file through which a process that is to be hit gives its listener


def _load() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    importlib.import_module("sqlalchemy.orm").configure_mappers()
    importlib.import_module("tests.faults.warm").keep_what_is_compiled()


@dataclass
class _Run:
    """A desk and what belongs to it. `alive`: processes, straces among them. `orderer`: is told that all are gone."""

    name: str
    orderer: socket.socket | None = None
    traces: dict[str, Any] = field(default_factory=dict)
    hit: dict[str, Any] | None = None
    alive: set[int] = field(default_factory=set)
    striker: seccomp.Striker | None = None

    def take_hit(self, role: str) -> dict[str, Any] | None:
        """For the first process of the role that is to be hit."""
        if self.hit is None or self.hit["role"] != role:
            return None
        hit, self.hit = self.hit, None
        return hit


class _Forks:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._take)
        self._selector.register(0, selectors.EVENT_READ, self._end)
        self._run = _Run("")  # one at a time
        self._count = 0
        self._over = False

    def serve(self) -> dict[str, Any] | None:
        """A role to play, in a child or, if it `stays`, in this process. None: in this process, at the end."""
        while not self._over:
            for key, _ in self._selector.select():
                if self._selector.get_map().get(key.fileobj) is not key:
                    continue  # closed a moment ago
                if (role := key.data()) is not None:
                    return dict(role)
        return None

    def _end(self) -> None:
        self._over = True

    def _take(self) -> dict[str, Any] | None:
        connection, _ = self._listener.accept()
        data, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        if not data:  # a desk that was killed as it began to ask for its signer
            connection.close()
            return None
        order = json.loads(data)
        if order["role"] == "desk":
            self._count += 1
            order["run"] = f"{os.getpid()} {self._count}"
            self._run = _Run(order["run"], connection, order.pop("traces"), order.pop("hit"))
        # the run of another nursery is nothing to us but this process
        run = self._run if order["run"] == self._run.name else _Run(order["run"])
        if order["stays"] == order["role"]:
            connection.send(str(os.getpid()).encode())
            return {**order, "files": files, "connection": connection}
        options, hit = run.traces.pop(order["role"], None), run.take_hit(order["role"])
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            self._keep_only(files, theirs)
            return {**order, "traced": options is not None, "gives": hit and hit["point"]["call"]}
        for file in files:
            os.close(file)
        theirs.close()
        if hit is not None:
            point, fault = Point(**hit["point"]), Fault(hit["fault"])
            self._on(ours, lambda: self._meet(ours, run, child, point, fault))
        else:
            ours.close()
        if options is not None:
            tracer = subprocess.Popen(["strace", "-qq", "-p", str(child), *options], stdin=subprocess.DEVNULL)
            self._watch(tracer.pid, run, None)
        self._watch(child, run, connection)
        _tell(connection, str(child))
        return None

    def _keep_only(self, files: Sequence[int], way: socket.socket) -> None:
        """In a child: its three files and its way, and nothing that belongs to this process or to other children."""
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.dup2(way.detach(), _WAY)
        self._selector.close()
        self._listener.detach()
        os.closerange(_WAY + 1, 64)

    def _on(self, file: int | socket.socket, do: Callable[[], None]) -> None:
        self._selector.register(file, selectors.EVENT_READ, do)

    def _meet(self, way: socket.socket, run: _Run, child: int, point: Point, fault: Fault) -> None:
        listener = seccomp.take(way)
        self._selector.unregister(way)
        way.close()
        if listener is not None:
            run.striker = seccomp.Striker(listener, child, point, fault)
            self._on(listener, run.striker.answer)

    def _watch(self, pid: int, run: _Run, connection: socket.socket | None) -> None:
        run.alive.add(pid)
        ended = os.pidfd_open(pid)
        self._on(ended, lambda: self._bury(ended, pid, run, connection))

    def _bury(self, ended: int, pid: int, run: _Run, connection: socket.socket | None) -> None:
        _, status = os.waitpid(pid, 0)
        self._selector.unregister(ended)
        os.close(ended)
        run.alive.discard(pid)
        if run.striker and run.striker.pid == pid:
            self._selector.unregister(run.striker.listener)
            os.close(run.striker.listener)
        if connection is not None:
            _tell(connection, str(os.waitstatus_to_exitcode(status)))
            if connection is not run.orderer:
                connection.close()
        if not run.alive and run.orderer is not None:
            self._tell_the_end(run)

    def _tell_the_end(self, run: _Run) -> None:
        assert run.orderer is not None
        striker = run.striker
        _tell(run.orderer, json.dumps(striker and [striker.has_hit, striker.last]))
        run.orderer.close()
        run.orderer = None

    def has_played(self, role: dict[str, Any], status: int) -> None:
        """In this process, to its end."""
        _tell(role["connection"], str(status))
        if role["connection"] is self._run.orderer:
            self._tell_the_end(self._run)
        role["connection"].close()


def _tell(connection: socket.socket, word: str) -> None:
    with contextlib.suppress(OSError):  # whoever wanted to know may have ended
        connection.send(word.encode())


def _become(role: dict[str, Any]) -> int:
    """The program, from its first line to its end: the exit status."""
    import bot.signer.child
    from bot import deliver, wiring
    from tests.faults.warm import forget_signals

    moment = datetime.fromisoformat(role["now"])
    wiring.utc_now = lambda: moment
    # a sent mail's record waits a minute for its database; here what is full stays so until the round is over
    deliver._SETTLE_SECONDS, deliver._SETTLE_PAUSE = 1.0, 0.2
    sys.argv = ["ringi", *role["arguments"]]
    sys.orig_argv = [sys.executable, "-m", "bot.cli", *role["arguments"]]
    bot.signer.child.subprocess = _Subprocess(role)  # type: ignore[attr-defined]
    exec(compile(role["code"], "<planted>", "exec"), {})
    if role.get("traced"):
        _wait_for_tracer()
    if role.get("gives"):
        way = socket.socket(fileno=_WAY)
        seccomp.give(way, role["gives"])
        way.close()
    status = _main_of_ringi()
    # as the interpreter ends, but for the modules: to take them down would touch, and so copy, all that was forked
    if "files" not in role:  # in a child
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    forget_signals()
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return 120
    return status


def _main_of_ringi() -> int:
    from bot import cli

    try:
        cli.main()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


def _stay(role: dict[str, Any]) -> int:
    """The program in this process, which must be as before when it has ended. Returns the exit status."""
    before = _open_files()
    kept = [os.dup(number) for number in range(3)]
    for number, file in enumerate(role["files"]):
        os.dup2(file, number)
        os.close(file)
    status = _become(role)
    for number, file in enumerate(kept):
        os.dup2(file, number)
        os.close(file)
    left = _open_files() - before
    for name, what in list(left):
        # the signer wakes itself through one, which ends with its process; no object has it
        if what.startswith("pipe:"):
            os.close(int(name))
            left.discard((name, what))
    if left or threading.active_count() > 1:
        raise RuntimeError(f"the round left something behind: {left}, {threading.enumerate()}")
    gc.freeze()
    return status


def _open_files() -> set[tuple[str, str]]:
    place = Path("/proc/self/fd")
    return {(name, os.readlink(place / name)) for name in os.listdir(place) if (place / name).exists()}


def _wait_for_tracer() -> None:
    """Where tracing is not allowed, as in some containers, nobody comes: this run then ends, with that as its error."""
    file = os.open("/proc/self/status", os.O_RDONLY)
    end = time.monotonic() + _ATTACH_SECONDS
    # nothing is opened in this loop: strace counts from the moment it comes
    while _NOBODY in os.pread(file, 4096, 0):
        if time.monotonic() > end:
            raise RuntimeError("strace did not attach")
        time.sleep(0.0005)
    os.close(file)


class _Subprocess:
    """What `bot.signer.child` sees as the module subprocess: its one Popen is forked instead of started."""

    PIPE = subprocess.PIPE
    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self, desk: dict[str, Any]) -> None:
        self._desk = desk

    def Popen(self, command: Sequence[str], stdin: int, stdout: int) -> "_Signer":
        assert stdin == stdout == subprocess.PIPE
        return _Signer(command[command.index("signer") :], self._desk)


class _Signer(Child):
    def __init__(self, arguments: Sequence[str], desk: dict[str, Any]) -> None:
        theirs, ours = os.pipe()
        out, word = os.pipe()
        same = {name: desk[name] for name in ("run", "now", "code", "stays", "signers")}
        message = {"role": "signer", "arguments": list(arguments), **same}
        child = Child.ask(Path(desk["signers"]), message, (theirs, word, 2))
        super().__init__(child._connection, child.pid)
        os.close(theirs)
        os.close(word)
        self.stdin = io.FileIO(ours, "w")
        self.stdout = io.FileIO(out, "r")


def _main() -> None:
    path = Path(sys.argv[1])
    _load()
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path.with_suffix(".new")))
        listener.listen(8)
        path.with_suffix(".new").rename(path)
        forks, here = _Forks(listener), os.getpid()
        while (role := forks.serve()) is not None:
            if os.getpid() != here:
                os.setsid()
                os._exit(_become(role))
            forks.has_played(role, _stay(role))


if __name__ == "__main__":
    _main()
