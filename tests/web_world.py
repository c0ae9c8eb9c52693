"""The download page on a real socket over a real store, with what it would mail kept in a list."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import httpx
from sqlalchemy.orm import Session

from bot.config import Web
from bot.web.app import WebDeps, make_app
from bot.web.guard import store_mark
from bot.web.server import WebServer
from handlers.notices import Notice
from store.states import OutboxState
from store.tables import Outgoing
from tests.issued import Issued, an_authority

SECRET = b"s" * 32


@dataclass
class Site:
    """A running server. `woken` counts how often the delivery round was told to look."""

    issued: Issued
    port: int = 0
    woken: list[None] = field(default_factory=list)
    base: str = ""

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.base, headers=headers, timeout=60, trust_env=False, verify=False)

    def outbox(self) -> list[str]:
        with self.issued.reading() as ctx:
            return [row.recipient for row in ctx.session.query(Outgoing).order_by(Outgoing.id)]


def queue(session: Session, notices: Sequence[Notice], now: datetime) -> None:
    """A row in the outbox for each mail, without the words that templates would add."""
    known = session.query(Outgoing).count()
    for place, notice in enumerate(notices, known):
        session.add(
            Outgoing(
                recipient=notice.to,
                template=notice.letter.template,
                message_id=f"<{place}@example.ac.jp>",
                number=notice.number,
                data=b"",
                state=OutboxState.QUEUED,
                queued_at=now,
                due_at=now,
            )
        )


@contextmanager
def serving(folder: Path, settings: Web | None = None, **changes: object) -> Iterator[Site]:
    """`changes` replace fields of WebDeps."""
    issued = Issued(folder)
    site = Site(issued)
    deps = WebDeps(
        engine=issued.engine,
        context=issued.context,
        queue=queue,
        chain=an_authority().chain,
        settings=settings or Web(public_url="https://ra.example.ac.jp", port=0),
        secret=SECRET,
        wake=lambda: site.woken.append(None),
    )
    server: WebServer | None = None
    try:
        deps = replace(deps, **changes)  # type: ignore[arg-type]
        server = WebServer(make_app(deps), deps.settings.host, deps.settings.port, store_mark(deps.secret))
        server.start()
        site.port = server.port
        site.base = f"http://127.0.0.1:{server.port}"
        yield site
    finally:
        if server is not None:
            server.stop()
        issued.close()


def form_of(page: str, format: str = "pem") -> dict[str, str]:
    """What a browser sends when the button for `format` on this page is pressed."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, "the page has no form"
    assert f'value="{format}"' in page
    return {"csrf": found[1], "format": format}


def press(client: httpx.Client, path: str, format: str = "pem") -> httpx.Response:
    """Open the page and press a button."""
    return client.post(path, data=form_of(client.get(path).text, format))
