"""Serials as the signer gives them, for tests of a plan."""

from datetime import UTC, datetime

from handlers.issue import Issuer
from handlers.rules.order import Reserved
from tests.applications import NOW

_serials = iter(range(2**95, 2**96))
_LAST_SECOND = datetime(2036, 1, 1, tzinfo=UTC)


def an_issuer(not_after: datetime = _LAST_SECOND, at: datetime = NOW) -> Issuer:
    """A CA that gave a desk more serials than any test needs."""
    return Issuer("c" * 64, not_after, [Reserved(next(_serials), at) for _ in range(200)])
