"""imaplib over a buffer of our own, so that it can be asked whether a line is there without losing a byte.

imapclient's IDLE misses lines that came in the same segment as the continuation, spins when the server has hung
up, and falls out of step on a cut line: all because it mixes poll() with a buffered file.
"""

import imaplib
import socket
import ssl
import time
from collections.abc import Callable

# imaplib's own limit of 1,000,000 bytes is met by a SEARCH over some 140,000 mails
_LONGEST_LINE = 16 * 1024 * 1024
_DEFAULT_LITERAL = 1024 * 1024
_CHUNK = 64 * 1024
_STOP_LOOK = 0.5  # seconds between two looks at `stop`
FAREWELL = 2.0  # seconds that a server has to answer when we want to go


class Wire(imaplib.IMAP4):
    """One connection. Every wait ends after `timeout` seconds (TimeoutError).

    `literal_limit`: the longest literal in bytes that an answer may hold; a longer one ends the connection.
    """

    def __init__(self, host: str, port: int, *, timeout: float, tls: ssl.SSLContext | None) -> None:
        self._buffer = bytearray()
        self._context = tls
        self._timeout = timeout
        self.literal_limit = _DEFAULT_LITERAL
        super().__init__(host, port, timeout)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        plain = socket.create_connection((host, port), timeout)
        # without it Nagle and delayed ACK hold each short command back for 40 ms
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=host) if self._context else plain

    def starttls(self, ssl_context: ssl.SSLContext | None = None):  # type: ignore[no-untyped-def]
        """Change to TLS. What the server sent before the handshake is thrown away (RFC 9051 6.2.1)."""
        if ssl_context is None:
            raise ValueError("a context is required")
        kind, answer = self._simple_command("STARTTLS")
        if kind == "OK":
            self._buffer.clear()
            self.sock = ssl_context.wrap_socket(self.sock, server_hostname=self.host)
            self._get_capabilities()
        return kind, answer

    def read(self, size: int) -> bytes:
        if size > self.literal_limit:
            raise self.abort(f"a literal of {size} bytes, where {self.literal_limit} were the most to expect")
        while len(self._buffer) < size:
            if not self._receive():
                raise self.abort("the connection ended inside a literal")
        return self._take(size)

    def readline(self) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _LONGEST_LINE:
                raise self.abort(f"a line of over {_LONGEST_LINE} bytes")
            if not self._receive():
                # the cut rest of a line, or nothing: imaplib knows both for what they are
                return self._take(searched)
        return self._take(end + 1)

    def shutdown(self) -> None:
        self.sock.close()

    def hurry(self, seconds: float) -> None:
        """From now on wait at most so long for any one answer."""
        self._timeout = min(self._timeout, seconds)
        self.sock.settimeout(self._timeout)

    def has_line(self, seconds: float) -> bool:
        """True once a whole line, or the end of the stream, can be read at once; False after `seconds`."""
        if b"\n" in self._buffer:
            return True
        self.sock.settimeout(seconds)
        try:
            return not self._receive() or b"\n" in self._buffer
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(self._timeout)

    def has_been_told_of_mail(self) -> bool:
        """True if an EXISTS came since `forget`."""
        return "EXISTS" in self.untagged_responses

    def forget(self) -> None:
        """Drop what the server told unasked: imaplib would keep it for ever."""
        for name in [name for name in self.untagged_responses if name != "BYE"]:
            del self.untagged_responses[name]

    def idle_until_told(self, seconds: float, stop: Callable[[], bool]) -> None:
        """IDLE (RFC 2177) until an EXISTS comes, `seconds` have passed or `stop()` holds."""
        end = time.monotonic() + seconds
        tag = self._command("IDLE")
        while self._get_response() is not None:
            if self.tagged_commands[tag]:
                raise self.error(f"IDLE was refused: {self.tagged_commands.pop(tag)}")
        while not self.has_been_told_of_mail() and not stop() and (left := end - time.monotonic()) > 0:
            if self.has_line(min(left, _STOP_LOOK)):
                self._get_response()
            self._check_bye()
        # whoever stops us, often SIGTERM, does not want to wait for a silent server
        self.sock.settimeout(min(FAREWELL, self._timeout) if stop() else self._timeout)
        self.send(b"DONE\r\n")
        while not self.tagged_commands[tag]:
            self._get_response()
        del self.tagged_commands[tag]
        self.sock.settimeout(self._timeout)

    def _receive(self) -> bool:
        received = self.sock.recv(_CHUNK)
        self._buffer += received
        return bool(received)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def sleep_until(seconds: float, stop: Callable[[], bool]) -> bool:
    """Sleep; True after `seconds`, False as soon as `stop()` holds (asked twice a second)."""
    end = time.monotonic() + seconds
    while not stop():
        if (left := end - time.monotonic()) <= 0:
            return True
        time.sleep(min(left, _STOP_LOOK))
    return False
