"""The desk that the handlers' tests speak to: a real store, mails as values."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.applications import DeskWorld, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DeskWorld]:
    opened = open_world(tmp_path)
    yield opened
    opened.engine.dispose()
