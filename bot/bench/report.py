"""Results as a table for people and as JSON for programs."""

import os
import platform
from collections.abc import Sequence

from bot.bench.cases import CASES
from bot.bench.result import Ratio, Result


def as_json(results: Sequence[Result], *, is_quick: bool) -> dict[str, object]:
    """Under `cases` one object a case. `ratios` maps names, which end in _ratio, to numbers; `reach` says what each
    must be, under its name without that end."""
    return {
        "is_quick": is_quick,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "cases": {result.case: _case(result) for result in results},
    }


def _case(result: Result) -> dict[str, object]:
    return {
        "figures": {f.name: {"value": _rounded(f.value), "unit": f.unit} for f in result.figures},
        "ratios": {r.name: _rounded(r.value) for r in result.ratios},
        "reach": {
            r.name.removesuffix("_ratio"): {
                "at_least" if r.is_floor else "at_most": r.reach,
                "is_reached": r.is_reached,
            }
            for r in result.ratios
        },
        "remarks": list(result.remarks),
    }


def as_table(results: Sequence[Result]) -> str:
    """One line a figure or ratio, under the title of its case."""
    lines: list[str] = []
    for result in results:
        title = CASES[result.case].title if result.case in CASES else result.case
        lines += ["", f"{result.case}: {title}"]
        lines += [f"  {f.name:<44} {_shown(f.value):>12} {f.unit}" for f in result.figures]
        lines += [f"  {r.name:<44} {_shown(r.value):>12} {_judged(r)}" for r in result.ratios]
        lines += [f"  left out: {remark}" for remark in result.remarks]
    return "\n".join(lines[1:])


def _judged(ratio: Ratio) -> str:
    wanted = f"{'at least' if ratio.is_floor else 'at most'} {ratio.reach:g}"
    return f"{wanted}: {'reached' if ratio.is_reached else 'NOT REACHED'}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
