"""Numbers for a monitoring system, in Prometheus' text format 0.0.4, on a port of their own and this machine only.

They are counted by the database when asked, at most once in a quarter of a minute, and nothing is held.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.web.guard import STORE_HEADER
from handlers.digest import SILENCES
from store import counting, journal, troubles
from store.transaction import reading
from store.troubles import TroubleKind

METRICS_HOST = "127.0.0.1"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = 15.0  # between two countings
_DAY = timedelta(days=1)
_PATIENCE = timedelta(hours=1)
_EXPIRY_DAYS = (7, 30)
# label -> number, of one metric
_Samples = Sequence[tuple[str, int]]


def make_metrics_app(engine: Engine, now: Callable[[], datetime], mark: str) -> Starlette:
    """Answers `/metrics`; 503 while the store does not answer. `mark`: see `bot.web.server`."""
    turn, at, text = asyncio.Lock(), -_SECONDS, ""

    async def show(_: Request) -> Response:
        nonlocal at, text
        async with turn:
            if time.monotonic() - at >= _SECONDS:
                try:
                    text = await run_in_threadpool(lambda: _count(engine, now()))
                except SQLAlchemyError:
                    return PlainTextResponse("store\n", 503)
                at = time.monotonic()
            return PlainTextResponse(text, headers={"Content-Type": _CONTENT_TYPE})

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n", headers={STORE_HEADER: mark})

    return Starlette(routes=[Route("/metrics", show), Route("/health", health)])


def _count(engine: Engine, now: datetime) -> str:
    with reading(engine) as session:
        return "".join(line for metric in _metrics(session, now) for line in metric)


def _metrics(session: Session, now: datetime) -> Iterator[Iterator[str]]:
    flow = counting.count_flow(session, now - _DAY, now, SILENCES)
    day = [(f'what="{name}"', number) for name, number in vars(flow).items()]
    yield _gauge("ringi_last_day", "What went through in the last 24 hours.", day)
    for name, help_text, ages in (
        ("ringi_undecided", "Applications that wait for officers.", counting.undecided_ages(session, now)),
        ("ringi_unfetched", "Certificates that wait for applicants.", counting.unfetched_ages(session, now)),
    ):
        yield _gauge(name, help_text, [(f'age="{age}"', number) for age, number in vars(ages).items()])
    ending = [(f'days="{days}"', counting.count_expiring(session, now, days).count) for days in _EXPIRY_DAYS]
    yield _gauge("ringi_expiring", "Valid certificates that end within so many days.", ending)
    stuck = [
        ('what="set_aside"', counting.find_set_aside(session, 0).count),
        ('what="unsent"', counting.find_unsent(session, now - _PATIENCE, 0).count),
        ('what="unissued"', counting.find_unissued(session, now - _PATIENCE, 0).count),
        ('what="no_policy"', counting.find_without_policy(session, 0).count),
    ]
    yield _gauge("ringi_needs", "What needs a person.", stuck)
    told = [row.kind for row in troubles.told(session)]
    wrong = [(f'kind="{kind}"', told.count(kind)) for kind in TroubleKind]
    yield _gauge("ringi_troubles", "What is wrong, and the monitors were told of.", wrong)
    yield _gauge("ringi_journal_entries", "Entries of the journal.", [("", journal.newest_line(session)[0])])


def _gauge(name: str, help_text: str, samples: _Samples) -> Iterator[str]:
    yield f"# HELP {name} {help_text}\n# TYPE {name} gauge\n"
    for label, number in samples:
        yield f"{name}{{{label}}} {number}\n" if label else f"{name} {number}\n"
