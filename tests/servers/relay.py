"""A wire between a client and a server on this machine that breaks exactly where a test wants it to."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Speaker = Literal["client", "server"]
# close: both ends read an end; reset: both ends get a reset; vanish: silence, and nothing is closed
How = Literal["close", "reset", "vanish"]
_CHUNK = 65_536
_LOOK = 0.2  # seconds between two looks at whether the test is over
_END_OF_DATA = b"\r\n.\r\n"


@dataclass(frozen=True)
class Cut:
    """Break when `after` bytes of `speaker`, counted over all connections since `arm`, have passed."""

    speaker: Speaker
    after: int
    how: How = "close"


@dataclass(frozen=True)
class Meddling:
    """Once, when `needle` comes in what the client says: `act` is called before it passes.

    Bytes that `act` returns are said to the client instead, and the connection ends.
    """

    needle: bytes
    act: Callable[[], bytes | None]


@dataclass
class Relay:
    """`port` leads to `target`, a port of 127.0.0.1. What has passed since `arm` is kept in `said`."""

    target: int
    port: int = 0
    said: dict[Speaker, bytearray] = field(
        default_factory=lambda: {"client": bytearray(), "server": bytearray()}
    )
    connections: int = 0
    is_broken: bool = False  # the cut has happened
    was_answer_lost: bool = (
        False  # an SMTP server had a whole mail when it happened, and its answer did not pass
    )
    _cut: Cut | None = None
    _meddling: Meddling | None = None
    _ending: threading.Event = field(default_factory=threading.Event)
    _orders: dict[socket.socket, bytes | None] = field(default_factory=dict)  # for each open connection

    def arm(self, cut: Cut | None = None, meddling: Meddling | None = None) -> None:
        """Forget what passed, and break the next connections as told. No connection may be open."""
        self.said = {"client": bytearray(), "server": bytearray()}
        self.connections, self.is_broken, self.was_answer_lost = 0, False, False
        self._cut, self._meddling = cut, meddling

    def interrupt(self, last_words: bytes | None) -> None:
        """Within 0.2 s every open connection ends after `last_words` to the client; None: its peer vanishes."""
        for client in list(self._orders):
            self._orders[client] = last_words

    def carry(self, client: socket.socket) -> None:
        """One connection, to its end."""
        self.connections += 1
        self._orders[client] = b""
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._carry(client, server)
            finally:
                del self._orders[client]

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        tail, waits_for_answer = b"", False
        while not self._ending.is_set():
            if self._orders[client] != b"":
                self._obey(self._orders[client], client)
                return
            # the server first: what it has answered is answered, whatever the client says next
            for ready in sorted(select.select([client, server], [], [], _LOOK)[0], key=lambda s: s is client):
                speaker: Speaker = "client" if ready is client else "server"
                raw = ready.recv(_CHUNK)
                if not raw or (speaker == "client" and self._is_meddled_with(raw, client)):
                    return
                passing = raw[: self._room(speaker)]
                (server if ready is client else client).sendall(passing)
                self.said[speaker] += passing
                if speaker == "client":
                    tail = (tail + passing)[-len(_END_OF_DATA) :]
                    waits_for_answer = tail == _END_OF_DATA
                elif b"\n" in passing:
                    waits_for_answer = False
                if self._is_due(speaker):
                    self.was_answer_lost = waits_for_answer
                    self._break(client, server)
                    return

    def _obey(self, last_words: bytes | None, client: socket.socket) -> None:
        if last_words is None:
            self._ending.wait()
        else:
            client.sendall(last_words)

    def _is_meddled_with(self, raw: bytes, client: socket.socket) -> bool:
        meddling = self._meddling
        if meddling is None or meddling.needle not in raw:
            return False
        self._meddling, self.is_broken = None, True
        instead = meddling.act()
        if instead is None:
            return False
        client.sendall(instead)
        return True

    def _room(self, speaker: Speaker) -> int | None:
        cut = self._cut
        return (
            cut.after - len(self.said[speaker])
            if cut and cut.speaker == speaker and not self.is_broken
            else None
        )

    def _is_due(self, speaker: Speaker) -> bool:
        return self._room(speaker) == 0

    def _break(self, client: socket.socket, server: socket.socket) -> None:
        assert self._cut
        self.is_broken = True
        if self._cut.how == "vanish":
            self._ending.wait()
        elif self._cut.how == "reset":
            for sock in (client, server):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def end(self) -> None:
        self._ending.set()


@contextlib.contextmanager
def relayed(target: int) -> Iterator[Relay]:
    """A relay to `target` on a free port, unbroken until `arm` says otherwise."""
    relay = Relay(target)
    threads: list[threading.Thread] = []

    def carry(client: socket.socket) -> None:
        # either end may be gone already: whether it should be is for the test to say
        with contextlib.suppress(OSError):
            relay.carry(client)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads[:] = [thread for thread in threads if thread.is_alive()]
                threads.append(threading.Thread(target=carry, args=(client,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay.port = listener.getsockname()[1]
        accepting = threading.Thread(target=accept, args=(listener,))
        accepting.start()
        try:
            yield relay
        finally:
            relay.end()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()
