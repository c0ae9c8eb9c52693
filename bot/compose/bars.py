"""A small picture made of characters: what a text mail can show everywhere (decision 19)."""

from collections.abc import Sequence
from itertools import islice

# nothing is the lowest bar, never a space. ▄ and █ are left out: many fonts have these two and not the others, which
# then come from another font and are not as wide
_NOTHING, _HEIGHTS = "▁", "▂▃▅▆▇"
_GROUP = 7


def draw_bars(counts: Sequence[int]) -> str:
    """A bar for each number, the highest as high as can be; spaces part weeks, counted from the last."""
    highest = max(counts, default=0)
    bars = "".join(_bar(count, highest) for count in counts)
    first = len(bars) % _GROUP
    rest = iter(bars[first:])
    weeks = iter(lambda: "".join(islice(rest, _GROUP)), "")
    return " ".join(filter(None, (bars[:first], *weeks)))


def _bar(count: int, highest: int) -> str:
    """Whatever happened at all is seen."""
    return _HEIGHTS[-(-count * len(_HEIGHTS) // highest) - 1] if count > 0 else _NOTHING
