"""A server on a real socket that says exactly what a test tells it to, byte by byte."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

_PATIENCE = 20  # seconds; a test that waits longer has found a fault


class Line:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb")

    def hear(self) -> bytes:
        """The next line without its CRLF; b"" when the client has hung up."""
        return self._file.readline().rstrip(b"\r\n")

    def hear_bytes(self, count: int) -> bytes:
        return self._file.read(count)

    def say(self, raw: bytes) -> None:
        """Send as one segment, as far as the network keeps it."""
        self._sock.sendall(raw)

    def wait_for_end(self) -> None:
        """Read until the client hangs up."""
        while self._file.readline():
            pass

    def start_tls(self, context: ssl.SSLContext) -> None:
        self._file.close()
        self._sock = context.wrap_socket(self._sock, server_side=True)
        self._file = self._sock.makefile("rb")

    def forward(self, port: int, limit: int) -> None:
        """Be a wire to another server on this machine, and hang up after `limit` bytes from that server."""
        with socket.create_connection(("127.0.0.1", port)) as server:
            while limit > 0:
                for ready in select.select([self._sock, server], [], [], _PATIENCE)[0]:
                    raw = ready.recv(min(65_536, limit if ready is server else 65_536))
                    if not raw:
                        return
                    (self._sock if ready is server else server).sendall(raw)
                    limit -= len(raw) if ready is server else 0

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@contextlib.contextmanager
def served(*plays: Callable[[Line], None]) -> Iterator[int]:
    """The port of a server: the first connection meets the first play, the second the second, and so on.

    The end of a play ends its connection. What goes wrong inside a play is raised at the end of the block.
    """
    faults: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_PATIENCE)
        thread = threading.Thread(target=_serve, args=(listener, plays, faults))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # a play that never got its connection must not keep the test waiting
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(_PATIENCE)
            if faults:
                raise faults[0]


def _serve(
    listener: socket.socket, plays: tuple[Callable[[Line], None], ...], faults: list[BaseException]
) -> None:
    for play in plays:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        if play is plays[-1] or faults:
            # a client that comes once too often is refused, and does not wait for a greeting
            listener.close()
        accepted.settimeout(_PATIENCE)
        line = Line(accepted)
        try:
            play(line)
        except ConnectionError:
            # the client has left in the middle: whether it should is for the test to say
            pass
        except Exception as fault:  # noqa: BLE001 - handed to the test's own thread
            faults.append(fault)
        finally:
            line.close()
