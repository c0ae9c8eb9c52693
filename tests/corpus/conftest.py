"""One court for all mails of a worker: keys are made once."""

from collections.abc import Callable, Iterator

import pytest

from tests.corpus.court import Court
from tests.corpus.opening import open_court


@pytest.fixture(scope="session")
def court(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    need("gpg")
    with open_court(tmp_path_factory.mktemp("corpus")) as opened:
        yield opened
