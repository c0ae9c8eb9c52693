"""All ratios of a run in one picture (SVG): how far each is from what it must reach, on a logarithmic scale."""

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from bot.bench.result import Ratio, Result

_WIDTH, _LEFT, _RIGHT, _LINE, _TOP = 900, 360, 190, 22, 40
_DECADES = 1.0  # on each side of what must be reached: a tenth of it to ten times
_REACHED, _NOT_REACHED = "#2b7a4b", "#b3402e"


def draw(results: Sequence[Result]) -> str:
    """A bar a ratio, from the line that must be reached: to the right where it is better, else to the left."""
    ratios = [(result.case, ratio) for result in results for ratio in result.ratios]
    height = _TOP + _LINE * (len(ratios) + 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        *_axis(height),
        *(line for n, (case, ratio) in enumerate(ratios) for line in _bar(case, ratio, _TOP + _LINE * n)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def score(ratio: Ratio) -> float:
    """How many times better than it must be; below 1 it is not reached. Never beyond the picture's edge."""
    better, worse = (ratio.value, ratio.reach) if ratio.is_floor else (ratio.reach, ratio.value)
    most = 10**_DECADES
    if worse <= 0:
        return most
    return min(most, max(1 / most, better / worse))


def _place(times: float) -> float:
    room = _WIDTH - _LEFT - _RIGHT
    return _LEFT + room / 2 * (1 + math.log10(times) / _DECADES)


def _axis(height: int) -> Iterator[str]:
    for times, name in ((0.1, "a tenth"), (1.0, "must be reached"), (10.0, "ten times")):
        x, ink = _place(times), "#333" if times == 1 else "#ccc"
        yield f'<line x1="{x:.0f}" y1="{_TOP - 8}" x2="{x:.0f}" y2="{height - 8}" stroke="{ink}"/>'
        yield f'<text x="{x:.0f}" y="{_TOP - 16}" text-anchor="middle" fill="#333">{name}</text>'


def _bar(case: str, ratio: Ratio, y: int) -> Iterator[str]:
    begin, end = sorted((_place(1), _place(score(ratio))))
    ink = _REACHED if ratio.is_reached else _NOT_REACHED
    wanted = f"at {'least' if ratio.is_floor else 'most'} {ratio.reach:g}"
    name = escape(f"{case}: {ratio.name.removesuffix('_ratio').removeprefix(f'{case}_').replace('_', ' ')}")
    yield f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{name}</text>'
    yield f'<rect x="{begin:.1f}" y="{y + 4}" width="{max(1.0, end - begin):.1f}" height="14" fill="{ink}"/>'
    yield f'<text x="{_WIDTH - _RIGHT + 8}" y="{y + 14}" fill="{ink}">{ratio.value:.3g} ({wanted})</text>'
