"""The metrics: numbers of the store in Prometheus' format, on a port of their own, and only where asked for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event, func, select

from bot.bench.servers.running import free_ports
from bot.config import Web
from bot.web.app import WebDeps
from bot.web.server import WebServer, open_servers
from handlers.digest import SILENCES
from store import counting, journal, troubles
from store.tables import Certificate
from store.troubles import TroubleKind
from tests.issued import Issued, an_authority

_SAMPLE = re.compile(r'([a-z_]+)(?:\{[a-z]+="([a-z0-9_]+)"\})? ([0-9]+)')
_HEAD = re.compile(r"# HELP ([a-z_]+) [^\n]+\n# TYPE \1 gauge")


@dataclass
class Place:
    issued: Issued
    page: str
    metrics: str
    asked: list[str] = field(default_factory=list)

    def get(self, url: str) -> httpx.Response:
        return httpx.get(url, trust_env=False, timeout=30)

    def numbers(self) -> dict[str, int]:
        """Strictly read: every metric once, with its head, and nothing else."""
        answer = self.get(self.metrics)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        numbers: dict[str, int] = {}
        heads = _HEAD.findall(answer.text)
        assert len(heads) == len(set(heads)) == answer.text.count("# TYPE")
        for line in answer.text.splitlines():
            if not line.startswith("# "):
                sample = _SAMPLE.fullmatch(line)
                assert sample, line
                assert sample[1] in heads
                key = f"{sample[1]} {sample[2] or ''}".strip()
                assert key not in numbers
                numbers[key] = int(sample[3])
        return numbers


def servers_of(issued: Issued, settings: Web, now: datetime) -> tuple[WebServer, ...]:
    deps = WebDeps(
        engine=issued.engine,
        context=issued.context,
        queue=lambda *_: None,
        chain=an_authority().chain,
        settings=settings,
        secret=b"s" * 32,
        wake=lambda: None,
    )
    return open_servers(deps, lambda: now)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    issued = Issued(tmp_path)
    (port,) = free_ports(1)
    settings = Web(public_url="https://ra.example.ac.jp", port=0, metrics_port=port)
    servers = servers_of(issued, settings, issued.now)
    for server in servers:
        server.start()
    base = f"http://127.0.0.1:{servers[0].port}"
    yield Place(issued, base, f"http://127.0.0.1:{port}/metrics")
    for server in servers:
        server.stop()
    issued.close()


def test_the_numbers_are_those_of_the_store(place: Place) -> None:
    for name in ("a", "b", "c"):
        place.issued.issue(f"{name}.example.ac.jp")
    place.issued.change_certificate(1, not_after=place.issued.now + timedelta(days=5))
    with place.issued.writing() as ctx:
        troubles.begin(ctx.session, TroubleKind.DISK, "/a", ctx.now, "").told_at = ctx.now
        troubles.begin(ctx.session, TroubleKind.DISK, "/b", ctx.now, "").told_at = ctx.now
        troubles.begin(ctx.session, TroubleKind.IMAP, "may pass", ctx.now, "")
        for _ in range(3):
            journal.append(ctx.session, ctx.now - timedelta(hours=2), "issued", {})
    numbers = place.numbers()
    with place.issued.reading() as ctx:
        valid = ctx.session.scalar(select(func.count()).select_from(Certificate))
        since = ctx.now - timedelta(days=1)
        flow = counting.count_flow(ctx.session, since, ctx.now, SILENCES)
        entries = journal.newest_line(ctx.session)[0]
    assert valid == 3
    assert {f"ringi_last_day {name}": n for name, n in vars(flow).items()}.items() <= numbers.items()
    assert numbers["ringi_last_day issued"] == 3
    assert sum(numbers[f"ringi_unfetched {age}"] for age in ("day", "week", "longer")) == 3
    assert numbers["ringi_expiring 7"] == 1
    assert (numbers["ringi_troubles disk"], numbers["ringi_troubles imap"]) == (2, 0)
    assert numbers["ringi_journal_entries"] == entries > 0


def test_they_are_counted_once_however_often_they_are_asked_for(place: Place) -> None:
    asked: list[str] = []
    event.listen(place.issued.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    place.numbers()
    counted = len(asked)
    for _ in range(20):
        place.numbers()
    assert (counted > 5, len(asked)) == (True, counted)


def test_a_store_that_does_not_answer_is_503(place: Place) -> None:
    with place.issued.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE mails RENAME TO hidden")
    assert place.get(place.metrics).status_code == 503


def test_what_applicants_reach_shows_no_metrics(place: Place) -> None:
    assert place.get(f"{place.page}/metrics").status_code == 404
    assert place.get(place.metrics.replace("/metrics", "/ca.crl")).status_code == 404


def test_they_are_off_unless_a_port_is_named(tmp_path: Path) -> None:
    issued = Issued(tmp_path)
    settings = Web(public_url="https://ra.example.ac.jp", port=0)
    assert settings.metrics_port is None
    assert len(servers_of(issued, settings, issued.now)) == 1
    issued.close()
