"""The web application: what a one-time URL shows, what it hands over, and who is told (threats URL1-URL3)."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import IO, TypeVar
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bot.config import Web
from bot.web.doors import CertificateDoor, Door, Fetched, Fields, FileDoor
from bot.web.files import File, LongFile
from bot.web.guard import (
    STORE_HEADER,
    GuessLimit,
    SecurityHeaders,
    is_form_token,
    read_form,
    security_headers,
    store_mark,
)
from bot.web.language import Language, choose_language
from bot.web.render import Pages
from bot.web.tsv_page import TsvPage, write_page
from handlers.context import Context
from handlers.notices import Notice
from store import crls, troubles
from store.tables import Trouble
from store.transaction import reading, writing

# few, for threads fight for the interpreter's lock; and together fewer than the engine's pool holds: many visitors
# leave connections for the mail rounds
_READERS = 2
_WRITERS = 1
_PART_BYTES = 1 << 18

_log = structlog.get_logger()
_T = TypeVar("_T")
_Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class WebDeps:
    """What the page needs, built by the wiring.

    `queue(session, notices, now)` puts mails into the outbox of the open transaction; `wake`, called in any
    thread after the commit, makes them leave soon. `chain`: DER, the issuing certificate first. `secret`: for
    the form's token, 32 bytes, the same in every process on this store. `faults`: what the rounds of this process
    suffer from, in words for the health page. `language`: for who names none.
    """

    engine: Engine
    context: Callable[[Session], Context]
    queue: Callable[[Session, Sequence[Notice], datetime], None]
    chain: tuple[bytes, ...]
    settings: Web
    secret: bytes
    wake: Callable[[], None]
    faults: Callable[[], tuple[str, ...]] = tuple
    language: Language = "ja"


def make_app(deps: WebDeps) -> Starlette:
    """The ASGI application. It answers with and without the path of `public_url` before its own paths."""
    if "*" in deps.settings.trusted_proxies:
        raise ValueError(
            "web.trusted_proxies must name the proxies: with '*' any visitor could claim any address"
        )
    site = _Site(deps)
    headers = security_headers(site.pages.style_hash)
    routes = [
        Route(prefix + path, endpoint, methods=methods)
        # a proxy may pass its path on or cut it off
        for prefix in dict.fromkeys(("", urlsplit(deps.settings.public_url).path))
        for path, endpoint, methods in (
            *_at("/d/{token}", site, CertificateDoor(site.pages, deps.secret, deps.chain)),
            *_at("/f/{token}", site, FileDoor(site.pages, deps.secret)),
            ("/tsv", site.tsv_tool, ["GET"]),
            ("/ca.cer", site.issuer, ["GET"]),
            ("/ca.crl", site.revocations, ["GET"]),
            ("/health", site.health, ["GET"]),
        )
    ]

    async def broken(request: Request, error: Exception) -> Response:
        # the framework writes this answer outside of all middleware
        response = site.trouble(request, 500)
        response.headers.update(headers)
        return response

    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(SecurityHeaders, headers=headers),
            Middleware(ProxyHeadersMiddleware, trusted_hosts=list(deps.settings.trusted_proxies)),
        ],
        exception_handlers={
            404: _not_found,
            405: _not_found,
            SQLAlchemyError: site.store_fault,
            Exception: broken,
        },
    )
    # it would answer with an address made from the Host header, which anybody may set
    app.router.redirect_slashes = False
    return app


def _at(path: str, site: "_Site", door: Door) -> tuple[tuple[str, _Endpoint, list[str]], ...]:
    return (
        (path, partial(site.show, door), ["GET"]),
        (path, partial(site.deliver, door), ["POST"]),
        (path, site.options, ["OPTIONS"]),
    )


async def _not_found(request: Request, error: Exception) -> Response:
    return PlainTextResponse("Not found\n", 404)


class _Site:
    """The answers. Each does its work on the store in another thread, in one transaction."""

    def __init__(self, deps: WebDeps) -> None:
        self.deps = deps
        self.pages = Pages()
        self._guesses = GuessLimit()
        self._mark = {STORE_HEADER: store_mark(deps.secret)}
        # two queues: who waits for the write lock does not hold up those who only look
        self._reads = ThreadPoolExecutor(_READERS, "web-reads")
        self._writes = ThreadPoolExecutor(_WRITERS, "web-writes")

    async def show(self, door: Door, request: Request) -> Response:
        """GET and HEAD: what waits here. Nothing is written, however often it is opened (threats URL1)."""
        token, language = request.path_params["token"], self._language(request)
        if seconds := await self._seconds_to_wait(door, request, token):
            return self._must_wait(request, seconds)
        page = await _in_thread(self._reads, lambda: self._read_page(door, token, language))
        return self._gone(door, request) if page is None else _html(page, 200, language)

    async def deliver(self, door: Door, request: Request) -> Response:
        """POST: the file. The first use is committed, with the officers' mails, before a byte leaves."""
        token = request.path_params["token"]
        fields = await read_form(request)
        if fields is None:
            return PlainTextResponse("Too large\n", 413)
        # before any look at the store: a stranger learns nothing, and cannot make us take the write lock
        if not door.takes(fields) or not is_form_token(self.deps.secret, token, fields.get("csrf", "")):
            return _html(self.pages.form_fault(self._language(request)), 403, self._language(request))
        if seconds := await self._seconds_to_wait(door, request, token):
            return self._must_wait(request, seconds)
        done = await _in_thread(self._writes, lambda: self._fetch(door, token, fields))
        if done is None:
            return self._gone(door, request)
        file = done.file
        if isinstance(file, File):
            return Response(file.content, headers=_attachment(file))
        made = await _in_thread(self._reads, lambda: self._make(file))
        return StreamingResponse(
            _parts(made), headers=_attachment(file) | {"Content-Length": str(made.length)}
        )

    async def options(self, request: Request) -> Response:
        return Response(status_code=204, headers={"Allow": "GET, HEAD, OPTIONS, POST"})

    async def issuer(self, request: Request) -> Response:
        """The issuing certificate, where AIA caIssuers points (RFC 5280 4.2.2.1)."""
        return Response(self.deps.chain[0], media_type="application/pkix-cert")

    async def revocations(self, request: Request) -> Response:
        """The newest revocation list, where the CRL distribution point points (RFC 5280 4.2.1.13)."""

        def ask() -> bytes | None:
            with reading(self.deps.engine) as session:
                newest = crls.newest(session)
                return newest.der if newest else None

        der = await _in_thread(self._reads, ask)
        if der is None:
            return PlainTextResponse("Not found\n", 404)
        return Response(der, media_type="application/pkix-crl")

    async def tsv_tool(self, request: Request) -> Response:
        """The TSV tool (manual 1-1-2), with the register as it is now."""
        language = self._language(request)

        def ask() -> TsvPage:
            with reading(self.deps.engine) as session:
                ctx = self.deps.context(session)
            return write_page(ctx.desk, ctx.register.institutions.values(), language)

        page = await _in_thread(self._reads, ask)
        response = _html(page.html, 200, language)
        response.headers["Content-Security-Policy"] = page.policy
        return response

    async def health(self, request: Request) -> Response:
        """200 `ok` if the desk does its work, also where something else is wrong; 503 if it can't. Codes only:
        anybody may ask."""

        def ask() -> list[Trouble]:
            with reading(self.deps.engine) as session:
                return list(troubles.told(session))

        try:
            wrong = await _in_thread(self._reads, ask)
        except SQLAlchemyError as error:
            _log.error("web_unhealthy", error=_plain(error))
            return PlainTextResponse("store\n", 503, self._mark)
        faults = [*self.deps.faults(), *(one.kind for one in wrong if troubles.is_acute(one))]
        others = [one.kind for one in wrong if not troubles.is_acute(one)]
        words = dict.fromkeys([*faults, *([] if faults else ["ok"]), *others])
        return PlainTextResponse("".join(f"{word}\n" for word in words), 503 if faults else 200, self._mark)

    async def store_fault(self, request: Request, error: Exception) -> Response:
        _log.error("web_store_fault", error=_plain(error))
        return self.trouble(request, 503)

    def trouble(self, request: Request, status: int) -> Response:
        language = self._language(request)
        response = _html(self.pages.trouble(language), status, language)
        response.headers["Retry-After"] = "300"
        return response

    async def _seconds_to_wait(self, door: Door, request: Request, token: str) -> int:
        """0 for a URL that opens: many people may share one address (a proxy, a campus), and one of them guesses."""
        seconds = self._guesses.seconds_to_wait(_client(request))
        return 0 if seconds and await _in_thread(self._reads, lambda: self._opens(door, token)) else seconds

    def _opens(self, door: Door, token: str) -> bool:
        with reading(self.deps.engine) as session:
            return door.opens(self.deps.context(session), token)

    def _read_page(self, door: Door, token: str, language: Language) -> str | None:
        with reading(self.deps.engine) as session:
            return door.page(self.deps.context(session), token, language)

    def _fetch(self, door: Door, token: str, fields: Fields) -> Fetched | None:
        with writing(self.deps.engine) as session:
            ctx = self.deps.context(session)
            # within the transaction: what cannot be written must not count as delivered
            done = door.fetch(ctx, token, fields)
            if done and done.notices:
                self.deps.queue(session, done.notices, ctx.now)
        if done and done.notices:
            self.deps.wake()
        return done

    def _make(self, file: LongFile) -> "_Made":
        """As of one moment, and whole before it is sent: a slow browser must not keep a transaction open."""
        content = tempfile.TemporaryFile()  # noqa: SIM115  # who sends it closes it
        with reading(self.deps.engine) as session:
            for line in file.lines(self.deps.context(session)):
                content.write(line)
        length = content.tell()
        content.seek(0)
        return _Made(content, length)

    def _gone(self, door: Door, request: Request) -> Response:
        self._guesses.count(_client(request))
        language = self._language(request)
        return _html(door.gone(language), 410, language)

    def _must_wait(self, request: Request, seconds: int) -> Response:
        language = self._language(request)
        response = _html(self.pages.wait(language, seconds), 429, language)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _language(self, request: Request) -> Language:
        accepted = request.headers.get("Accept-Language", "")
        return choose_language(request.query_params.get("lang"), accepted, self.deps.language)


async def _in_thread(threads: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
    # asyncio's own way: the framework's, by anyio, costs a tenth of a whole page more
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _plain(error: Exception) -> str:
    # without the statement and its parameters
    return str(getattr(error, "orig", None) or type(error).__name__)


def _html(page: str, status: int, language: Language) -> Response:
    return HTMLResponse(page, status, {"Content-Language": language, "Vary": "Accept-Language"})


def _attachment(file: File | LongFile) -> dict[str, str]:
    # as media_type, the framework would call any text UTF-8
    return {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Type": file.content_type,
    }


@dataclass(frozen=True)
class _Made:
    """A file without a name, gone with its end. `length`: bytes."""

    content: IO[bytes]
    length: int


def _parts(made: _Made) -> Iterator[bytes]:
    with made.content as content:
        while part := content.read(_PART_BYTES):
            yield part
