"""The desk that most journeys use. A module that asks for it names the servers' fixtures in its `pytest_plugins`."""

from collections.abc import Callable, Iterator

import pytest

from tests.journeys.desk import Desk, open_desk
from tests.servers.postfix import MailServers


@pytest.fixture
def desk(mail_servers: MailServers, need: Callable[[str], str]) -> Iterator[Desk]:
    need("gpg")
    with open_desk(mail_servers) as opened:
        yield opened
