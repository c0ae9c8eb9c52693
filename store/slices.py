"""Long lists of values, so many at a time as a statement may name."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_AT_ONCE = 500


def slices(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """All of them in order, 500 at a time; nothing for none."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
