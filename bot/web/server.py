"""Runs the web application in a thread of its own, beside the mail rounds."""

import socket
import threading
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.web.app import WebDeps, make_app

_SECONDS_TO_START = 30


class WebFault(Exception):
    """The address cannot be listened on. `temporary`: another program may leave it."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class WebServer:
    """`start()` returns once requests are answered at `port`; `stop()` once the last answer is out."""

    def __init__(self, deps: WebDeps) -> None:
        self._host, self._asked_port = deps.settings.host, deps.settings.port
        self.port = 0
        self._server = _Server(
            uvicorn.Config(
                make_app(deps),
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
        """Listen and serve. Raises WebFault if the address is taken or not ours."""
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            self._socket = socket.create_server((self._host, self._asked_port), family=family, backlog=128)
        except OSError as error:
            raise WebFault(
                f"cannot listen on {self._host} port {self._asked_port}: {error}", temporary=True
            ) from error
        # asyncio does this only for sockets it made; connections inherit it. Else each answer waits 40 ms
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._socket.getsockname()[1]
        self._thread.start()
        if not self._server.is_up.wait(_SECONDS_TO_START):
            raise WebFault("the web server did not start", temporary=False)

    def stop(self) -> None:
        """End after the answers under way, at most some seconds. Nothing happens if it never started."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        assert self._socket is not None
        self._server.run(sockets=[self._socket])


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
