"""What keeps the page safe: headers on every answer, a form token, small bodies, a limit on guessing."""

import hmac
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from math import ceil
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STORE_HEADER = "X-Ringi-Store"
MAX_BODY = 4096  # bytes; the form is about 100


def security_headers(style_hash: str) -> dict[str, str]:
    """Headers for every answer (threats URL3). `style_hash`: base64 SHA-256 of the one style element."""
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{style_hash}'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return {
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow, noarchive",
    }


def store_mark(secret: bytes) -> str:
    """By which processes on one store know each other; to anybody else it says nothing."""
    return hmac.digest(secret, b"ringi store\0", "sha256").hex()[:32]


class SecurityHeaders:
    """ASGI middleware that puts `headers` on each answer that does not bring its own."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    found.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def form_token(secret: bytes, token: str) -> str:
    """The hidden field that only our own page for this URL holds (threats URL1).

    It has no end of its own: it opens nothing that the URL does not, and dies with it.
    """
    return hmac.digest(secret, b"ringi download form\0" + token.encode(), "sha256").hex()


def is_form_token(secret: bytes, token: str, given: str) -> bool:
    return hmac.compare_digest(form_token(secret, token).encode(), given.encode())


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a small form; {} for what is not a form, None for a body above MAX_BODY."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return None
        fields = parse_qs(body.decode("ascii"), max_num_fields=8)
    except (ClientDisconnect, ValueError):
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


class GuessLimit:
    """Counts the answers "gone" to each client address, in memory, and says who must wait (threats URL2).

    An IPv6 client counts by its /64, of which it can take any address. The oldest makes room for a new one.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        allowed: int = 30,
        seconds: int = 600,
        addresses: int = 10_000,
    ) -> None:
        self._clock = clock
        self._allowed = allowed
        self._seconds = seconds
        self._addresses = addresses
        self._counts: dict[str, tuple[float, int]] = {}  # -> when its window began, answers in it

    def seconds_to_wait(self, address: str) -> int:
        """0 if this address may ask."""
        began, count = self._counts.get(_network(address), (0.0, 0))
        left = began + self._seconds - self._clock()
        return max(0, ceil(left)) if count >= self._allowed else 0

    def count(self, address: str) -> None:
        network, now = _network(address), self._clock()
        began, count = self._counts.pop(network, (now, 0))
        if now >= began + self._seconds:
            began, count = now, 0
        self._counts[network] = (began, count + 1)
        if len(self._counts) > self._addresses:
            del self._counts[next(iter(self._counts))]


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or parsed.packed[:8].hex())
