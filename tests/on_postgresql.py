"""A plugin: `pytest -p tests.on_postgresql` makes the tests' stores on a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.servers.postgresql import PostgreSQL
from tests.stores import for_one_test, on_server

pytest_plugins = ("tests.servers.fixtures",)


@pytest.fixture(scope="session", autouse=True)
def _stores_on_postgresql(postgresql: PostgreSQL) -> Iterator[None]:
    with on_server(postgresql):
        yield


@pytest.fixture(autouse=True)
def _store_used_again() -> Iterator[None]:
    with for_one_test():
        yield
