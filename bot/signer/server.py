"""The signer on its Unix socket: one connection at a time, one question and one answer each."""

import fcntl
import os
import pwd
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from bot.signer.core import Malformed, Signer
from bot.signer.frames import FrameFault, receive_frame, send_frame

log = structlog.get_logger()
_QUESTION_SECONDS = 30.0
_LOCK_SECONDS = 10.0
_LONGEST_PATH = 107
_BACKLOG = 8


class SignerFault(Exception):
    """The signer can't start: it says what to mend."""

    temporary = False


class Server:
    """`is_shared`: the desk is another user of the socket's group; else only the signer's own user may ask.

    `stop` and `reload` may be called from a signal handler.
    """

    def __init__(
        self, signer: Signer, path: Path, reload: Callable[[], object], *, is_shared: bool, parent: int | None
    ) -> None:
        self._signer = signer
        self._path = path
        self._reload = reload
        self._is_shared = is_shared
        self._parent = parent
        self._wakes, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._is_stopping = False
        self._must_reload = False

    def stop(self) -> None:
        self._is_stopping = True
        self._nudge()

    def reload(self) -> None:
        """Read the register again before the next question."""
        self._must_reload = True
        self._nudge()

    def serve(self, ready: Callable[[], None]) -> None:
        """Answer until `stop`, or until `parent` (a descriptor) ends. Raises SignerFault where it can't listen."""
        with _listening(self._path, 0o660 if self._is_shared else 0o600) as listener:
            ready()
            while not self._is_stopping:
                self._wait_and_answer(listener)

    def _wait_and_answer(self, listener: socket.socket) -> None:
        waiting = [listener.fileno(), self._wakes, *([] if self._parent is None else [self._parent])]
        found, _, _ = select.select(waiting, [], [])
        if self._wakes in found:
            os.read(self._wakes, 4096)
        if self._parent in found and not os.read(self._parent, 4096):
            log.info("signer stopped", reason="the desk has ended")
            self._is_stopping = True
        if self._must_reload:
            self._must_reload = False
            self._reload()
        if listener.fileno() in found and not self._is_stopping:
            connection, _ = listener.accept()
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            if not self._may_ask(connection):
                return
            question = receive_frame(connection, _QUESTION_SECONDS)
            if question is not None:
                send_frame(connection, self._signer.answer(question), _QUESTION_SECONDS)
        except (FrameFault, Malformed) as fault:
            log.warning("signer", refused=str(fault))
        except Exception:
            # our own fault, met by somebody's bytes: this connection ends, the next question is answered
            log.exception("signer")

    def _may_ask(self, connection: socket.socket) -> bool:
        uid, gid = _peer(connection)
        if uid in (os.geteuid(), 0):
            return True
        if self._is_shared and self._path.stat().st_gid in _groups_of(uid, gid):
            return True
        log.error("signer", refused="a stranger asked", uid=uid)
        return False

    def _nudge(self) -> None:
        # full: it is going to wake up anyway
        with suppress(BlockingIOError):
            os.write(self._wake, b"x")


def _peer(connection: socket.socket) -> tuple[int, int]:
    """User and group of the process at the other end."""
    size = struct.calcsize("3i")
    _, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid, gid


def _groups_of(uid: int, gid: int) -> list[int]:
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]


@contextmanager
def _listening(path: Path, mode: int) -> Iterator[socket.socket]:
    """The socket at `path`; one that a crash left behind is replaced."""
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise SignerFault(f"signer.socket: {path} is longer than {_LONGEST_PATH} bytes")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        # nobody may come in before the mode is set
        old = os.umask(0o177)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(old)
        path.chmod(mode)
        listener.listen(_BACKLOG)
        listener.setblocking(True)
    except OSError as error:
        listener.close()
        raise SignerFault(f"signer.socket: {path}: {error.strerror}") from error
    try:
        yield listener
    finally:
        listener.close()
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            # whoever listens next replaces it
            log.warning("signer", left=str(path), error=error.strerror)


@contextmanager
def sole(ledger: Path) -> Iterator[None]:
    """One signer a ledger. Waits for one that is just ending. Raises SignerFault."""
    name = ledger.with_name(ledger.name + ".lock")
    try:
        ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SignerFault(f"signer.ledger: {name}: {error.strerror}") from error
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while not _is_taken(lock):
            if time.monotonic() > end:
                raise SignerFault(f"another signer works on {ledger}")
            time.sleep(0.05)
        yield
    finally:
        os.close(lock)


def _is_taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
