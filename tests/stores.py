"""Where the tests' stores are: a file in the test's own folder, or a database of a real server in `on_server`."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from store.tables import Base
from store.transaction import open_store, upgrade
from tests.servers.postgresql import PostgreSQL

_TEMPLATE = "ringi_template"
_numbers = itertools.count(1)
_servers: list[PostgreSQL] = []
_used: list[str] = []  # URLs of databases
_empty: list[str] = []


def make_store(directory: Path) -> Engine:
    """An empty one with all its tables."""
    if _servers:
        # to make one takes far longer than to empty one
        url = _empty.pop() if _empty else _make_database(_servers[-1])
        _used.append(url)
        return open_store(url)
    engine = open_store(f"sqlite:///{directory / 'ringi.db'}")
    Base.metadata.create_all(engine)
    return engine


@contextmanager
def on_server(server: PostgreSQL) -> Iterator[None]:
    """Until the block's end stores are made there, each as the migrations make it."""
    if _servers:
        yield
        return
    engine = open_store(server.make_database(_TEMPLATE))
    upgrade(engine)
    engine.dispose()
    _servers.append(server)
    try:
        yield
    finally:
        _servers.pop()
        for url in [*_used, *_empty]:
            server.drop_database(url.rpartition("/")[2])
        _used.clear()
        _empty.clear()
        server.drop_database(_TEMPLATE)


@contextmanager
def for_one_test() -> Iterator[None]:
    """What is made in the block is used again after it; what was made before for several tests stays."""
    before = len(_used)
    yield
    for url in _used[before:]:
        _make_empty(url)
        _empty.append(url)
    del _used[before:]


def _make_database(server: PostgreSQL) -> str:
    return server.make_database(f"ringi_test_{next(_numbers)}", template=_TEMPLATE)


def _make_empty(url: str) -> None:
    engine = open_store(url)
    with engine.begin() as connection:
        # a test that left a transaction open must not stop all that follow
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no foreign keys
        for table in Base.metadata.sorted_tables:
            connection.execute(table.delete())
        sequences = connection.scalars(
            text("SELECT quote_ident(sequencename) FROM pg_sequences WHERE last_value IS NOT NULL")
        ).all()
        for sequence in sequences:
            connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART"))
    engine.dispose()
