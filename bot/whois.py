"""Who WHOIS says a domain belongs to: one question, one bounded answer over plain TCP (RFC 3912).

Nothing proves the answer: the check can only stop a certificate, never allow one by itself.
"""

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

_MOST_BYTES = 65_536
_PAUSES = (1.0, 3.0)  # seconds before the second and the third try
_TRIES = len(_PAUSES) + 1
_ESCAPE = b"\x1b"  # only ISO-2022-JP has it

# the registry of .jp: `f. [組織名]  …`, the letter being there for organisational names only
_JP_LINE = re.compile(r"^(?:[a-z]\. )?\[([^\]\n]+)\][ \t]*([^\n]*)$", re.M)
_JP_DOMAIN: tuple[str, ...] = ("ドメイン名", "Domain Name")
_JP_NAMES: tuple[str, ...] = ("組織名", "Organization", "登録者名", "Registrant")
_JP_LAST = ("最終更新", "Last Update", "Last Updated")  # stands after the names in every answer
# the others: `Registrant Organization: …`
_LINE = re.compile(r"^[ \t]*([A-Za-z][A-Za-z /]*):[ \t]*([^\n]*)$", re.M)
_DOMAIN = ("domain name", "domain")
_NAMES = ("registrant organization", "registrant name", "registrant")
_UNKNOWN = re.compile(r"^\s*(no match|not found|no entries found|domain not found)", re.M | re.I)


class WhoisFault(Exception):
    """WHOIS could not be asked, or its answer not be read; `temporary`: asking again at once may help."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclass(frozen=True)
class WhoisClient:
    """`timeout`: seconds for a whole call with all its tries. Only the resolver of names keeps its own time."""

    host: str
    port: int
    timeout: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def registrants(self, domain: str) -> tuple[str, ...]:
        """Every organisation and registrant shown for `domain`; () if WHOIS knows no such domain. Raises WhoisFault."""
        end = self.clock() + self.timeout
        for pause in (*_PAUSES, None):
            try:
                answer = self._ask(domain, min(end, self.clock() + self.timeout / _TRIES))
                return read_registrants(domain, decode_answer(answer))
            except WhoisFault as fault:
                if not fault.temporary or pause is None or self.clock() + pause >= end:
                    raise
            self.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _ask(self, domain: str, end: float) -> bytes:
        try:
            with self._connect(end) as connection:
                connection.sendall(question(domain))
                return self._read(connection, end)
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise WhoisFault(f"{self.host}:{self.port}: {reason}", temporary=True) from error

    def _connect(self, end: float) -> socket.socket:
        """Each address in turn within one limit; `socket.create_connection` would grant it to each."""
        fault: OSError = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        ):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(self._left(end))
                connection.connect(address)
            except OSError as error:
                connection.close()
                fault = error
            else:
                return connection
        raise fault

    def _read(self, connection: socket.socket, end: float) -> bytes:
        answer = b""
        while True:
            # a server that drips must not get the whole limit for each drop
            connection.settimeout(self._left(end))
            part = connection.recv(4096)
            if not part:
                return answer
            answer += part
            if len(answer) > _MOST_BYTES:
                raise WhoisFault(f"{self.host} answered more than {_MOST_BYTES} bytes", temporary=False)

    def _left(self, end: float) -> float:
        left = end - self.clock()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        return left


def question(domain: str) -> bytes:
    """The line to send. In .jp `DOM` asks for domains only, and without `/e` Japanese names are shown too."""
    return f"{'DOM ' if domain.endswith('.jp') else ''}{domain}\r\n".encode("ascii")


def decode_answer(answer: bytes) -> str:
    """JPRS writes ISO-2022-JP, others UTF-8 or ASCII. What cannot be read is replaced, so that it matches nothing.

    Raises WhoisFault for an answer that ends within a line: a name cut in two would look like another name.
    """
    if not answer.endswith(b"\n"):
        raise WhoisFault("the answer is cut off" if answer else "the answer is empty", temporary=True)
    text = answer.decode("iso2022_jp" if _ESCAPE in answer else "utf-8", "replace")
    return text.replace("\r\n", "\n")


def read_registrants(domain: str, text: str) -> tuple[str, ...]:
    """The names in an answer about `domain`; () for one that says there is no such domain. Raises WhoisFault."""
    fields = _JP_LINE.findall(text)
    own, wanted = _JP_DOMAIN, _JP_NAMES
    if any(label in own for label, _ in fields):
        if not any(label in _JP_LAST for label, _ in fields):
            raise WhoisFault(f"the answer for {domain} is cut off", temporary=True)
    else:
        fields = [(label.lower(), value) for label, value in _LINE.findall(text)]
        own, wanted = _DOMAIN, _NAMES
    shown = {value.strip().lower() for label, value in fields if label in own}
    if not shown and _UNKNOWN.search(text):
        return ()
    names = dict.fromkeys(value.strip() for label, value in fields if label in wanted)
    names.pop("", None)
    if domain not in shown or not names:
        raise WhoisFault(f"the answer names no registrant of {domain}", temporary=False)
    return tuple(names)
