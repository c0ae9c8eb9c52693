"""Runs the web application in a thread of its own, beside the mail rounds.

Where another process on the same store has the address, that one serves, and this one takes over when it is gone
(docs/decisions/0022).
"""

import errno
import http.client
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.web.app import WebDeps, make_app
from bot.web.guard import STORE_HEADER, store_mark
from bot.web.metrics import METRICS_HOST, make_metrics_app

log = structlog.get_logger()
_SECONDS_TO_START = 30
_SECONDS_TO_LEAVE = 10  # in which who ends, or only begins to serve, may be gone or answer
_SECONDS_BETWEEN = 0.5


class WebFault(Exception):
    """The address cannot be listened on. `temporary`: another program may leave it."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class WebServer:
    """`start()` returns once requests are answered at `port`; `stop()` once the last answer is out. `mark`: by it
    `/health` of our like is known."""

    def __init__(self, app: Starlette, host: str, port: int, mark: str) -> None:
        self._host, self._asked_port, self._mark = host, port, mark
        self._ending = threading.Event()
        self.port = 0
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=_Unlogged,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                # the application believes proxies itself, by our own settings and not by the environment
                proxy_headers=False,
                h11_max_incomplete_event_size=16_384,
                limit_concurrency=500,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen and serve, or stand by where our like serves. Raises WebFault if the address is taken or not ours."""
        end = time.monotonic() + _SECONDS_TO_LEAVE
        while (fault := self._listen()) is not None:
            if fault.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise WebFault(
                    f"cannot listen on {self._host} port {self._asked_port}: {fault}", temporary=True
                ) from fault
            if self._is_served_by_our_like():
                log.info("web stands by", port=self._asked_port)
                self.port = self._asked_port
                self._thread.start()
                return
            time.sleep(_SECONDS_BETWEEN)
        self._thread.start()
        if not self._server.is_up.wait(_SECONDS_TO_START):
            raise WebFault("the web server did not start", temporary=False)

    def stop(self) -> None:
        """End after the answers under way, at most some seconds. Nothing happens if it never started."""
        self._server.should_exit = True
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        while self._socket is None and self._listen() is not None:
            if self._ending.wait(_SECONDS_BETWEEN):
                return
        assert self._socket is not None
        log.info("web", port=self.port)
        self._server.run(sockets=[self._socket])

    def _listen(self) -> OSError | None:
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.create_server((self._host, self._asked_port), family=family, backlog=128)
        except OSError as error:
            return error
        # asyncio does this only for sockets it made; connections inherit it. Else each answer waits 40 ms
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket, self.port = listener, listener.getsockname()[1]
        return None

    def _is_served_by_our_like(self) -> bool:
        """Whether a process on this very store answers at the address."""
        connection = http.client.HTTPConnection(self._host, self._asked_port, timeout=_SECONDS_BETWEEN)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().headers[STORE_HEADER] == self._mark
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def open_servers(deps: WebDeps, now: Callable[[], datetime]) -> tuple[WebServer, ...]:
    """The download page, and the metrics where a port is named for them; not started."""
    web, mark = deps.settings, store_mark(deps.secret)
    page = WebServer(make_app(deps), web.host, web.port, mark)
    if web.metrics_port is None:
        return (page,)
    app = make_metrics_app(deps.engine, now, mark)
    return (page, WebServer(app, METRICS_HOST, web.metrics_port, mark))


class _Unlogged(H11Protocol):
    """Tokens stand in paths, so no request is logged, whatever loggers are set up to do (threats URL3).

    `access_log=False` alone only takes the handlers from a logger of the whole process.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.is_up.set()
