"""An SMTP server on a real socket that takes mails, or refuses, hangs up or falls silent where a test wants it to."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

# what a server may meet, in the order of a session; `.` is the end of the data
STEPS = ("connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT")


class Rude(Enum):
    """Instead of an answer."""

    HANG_UP = "hang up"
    SILENCE = "silence"


Answer = bytes | Rude | None  # None: as any server answers


@dataclass(frozen=True)
class Taken:
    """One mail that the server said yes to, or had whole when it was told to be rude."""

    recipients: tuple[str, ...]
    data: bytes
    at: float = 0.0  # when the yes was sent, by time.monotonic()


@dataclass
class Sink:
    """`answer(step, argument)` says what is said instead of yes; it may be replaced at any time.

    `tls`: offers STARTTLS, and a login after it.
    """

    port: int = 0
    tls: ssl.SSLContext | None = None
    answer: Callable[[str, str], Answer] = lambda step, argument: None
    taken: list[Taken] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # the steps, of all connections

    @property
    def connections(self) -> int:
        return self.heard.count("connect")

    def forget(self) -> None:
        self.taken.clear()
        self.heard.clear()

    def serve(self, sock: socket.socket) -> None:
        """One connection, to its end."""
        _Session(self, sock).run()


class _HangUp(Exception):
    pass


class _Session:
    def __init__(self, sink: Sink, sock: socket.socket) -> None:
        self._sink, self._sock, self._file = sink, sock, sock.makefile("rb")
        self._recipients: list[str] = []
        self._is_safe = False

    def run(self) -> None:
        with contextlib.suppress(_HangUp, OSError):
            self._step("connect", "", b"220 sink.example.ac.jp")
            while line := self._file.readline():
                verb, _, argument = line.decode("ascii", "replace").rstrip("\r\n").partition(" ")
                self._command(verb.upper(), argument)
        self._file.close()
        self._sock.close()

    def _command(self, verb: str, argument: str) -> None:
        if verb == "EHLO":
            self._step(verb, argument, self._abilities())
        elif verb == "STARTTLS" and self._sink.tls:
            if self._step(verb, argument, b"220 go on"):
                self._sock = self._sink.tls.wrap_socket(self._sock, server_side=True)
                self._file, self._is_safe = self._sock.makefile("rb"), True
        elif verb == "AUTH":
            self._step(verb, argument, b"235 welcome")
        elif verb == "RCPT":
            address = argument.partition("<")[2].partition(">")[0]
            if self._step(verb, address, b"250 yes"):
                self._recipients.append(address)
        elif verb == "DATA":
            if self._step(verb, argument, b"354 go on"):
                self._take()
        elif verb == "QUIT":
            self._step(verb, argument, b"221 bye")
            raise _HangUp
        else:
            self._recipients = []
            self._step(verb, argument, b"250 yes")

    def _abilities(self) -> bytes:
        if self._sink.tls is None:
            return b"250-sink\r\n250 8BITMIME"
        return b"250-sink\r\n250-AUTH PLAIN\r\n250 8BITMIME" if self._is_safe else b"250-sink\r\n250 STARTTLS"

    def _take(self) -> None:
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                raise _HangUp
            lines.append(line[1:] if line.startswith(b".") else line)
        recipients, data = tuple(self._recipients), b"".join(lines)
        self._recipients = []
        try:
            if self._step(".", "", b"250 taken"):
                self._keep(recipients, data)
        except _HangUp:
            # that is what makes it hard: nobody can know from outside
            self._keep(recipients, data)
            raise

    def _keep(self, recipients: tuple[str, ...], data: bytes) -> None:
        self._sink.taken.append(Taken(recipients, data, time.monotonic()))

    def _step(self, step: str, argument: str, usual: bytes) -> bool:
        """Whether the usual answer was given."""
        self._sink.heard.append(step)
        answer = self._sink.answer(step, argument)
        if answer is Rude.HANG_UP:
            raise _HangUp
        if answer is Rude.SILENCE:
            while self._file.readline():
                pass
            raise _HangUp
        self._sock.sendall((usual if answer is None else answer) + b"\r\n")
        return answer is None


@contextlib.contextmanager
def sinking(tls: ssl.SSLContext | None = None) -> Iterator[Sink]:
    """A running sink on a free port of 127.0.0.1."""
    sink = Sink(tls=tls)
    clients: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients.append(client)
                threads.append(threading.Thread(target=sink.serve, args=(client,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        sink.port = listener.getsockname()[1]
        accepting = threading.Thread(target=accept, args=(listener,))
        accepting.start()
        try:
            yield sink
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for client in clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
