"""`ringi bench`: measures this machine, and changes nothing but a temporary folder."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from bot.cli_faults import fail, say


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[CASE…]", show_default=False)] = None,
    quick: Annotated[bool, typer.Option(help="At a small scale: a minute in all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON instead of a table.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the ratios into this file (SVG) as well.", dir_okay=False)
    ] = None,
    list_cases: Annotated[bool, typer.Option("--list", help="Only say which cases there are.")] = False,
) -> None:
    """Measure the desk beside something real: all cases, or those that are named (20 minutes on two quiet cores).

    Ends with 0 also where a figure is not reached, with 1 if a case could not be measured."""
    from bot.bench.cases import CASES
    from bot.bench.report import as_json as written
    from bot.bench.report import as_table

    if unknown := [name for name in names or () if name not in CASES]:
        fail(f"there is no case {', '.join(unknown)}; `ringi bench --list` names them", code=2)
    if list_cases:
        for name, case in CASES.items():
            say(f"{name:<12} {case.title}")
        return
    results, faults = _measure(list(dict.fromkeys(names or CASES)), is_quick=quick)
    if picture:
        from bot.bench.picture import draw

        picture.write_text(draw(results), encoding="utf-8")
    if as_json:
        say(json.dumps(written(results, is_quick=quick), ensure_ascii=False, indent=1))
    else:
        say(as_table(results))
    if faults:
        fail("\n".join(faults))


def _measure(names: list[str], *, is_quick: bool):  # type: ignore[no-untyped-def]
    """The results, and what kept cases from being measured."""
    import subprocess
    import tempfile

    from bot.bench.cases import CASES
    from bot.bench.result import BenchFault, Result, Setting

    # the lines of the programs that are measured belong to no table
    _keep_quiet()
    results: list[Result] = []
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rb", ignore_cleanup_errors=True) as folder:
        shared = Path(folder) / "shared"
        shared.mkdir()
        for name in names:
            place = Path(folder) / name
            place.mkdir()
            begin = time.monotonic()
            _tell(f"{name}: {CASES[name].title}")
            try:
                results.append(CASES[name].measure(Setting(place, shared, is_quick, _tell)))
            except (BenchFault, OSError, subprocess.SubprocessError) as fault:
                faults.append(f"{name} could not be measured: {fault}")
            _tell(f"{name}: {time.monotonic() - begin:.1f} s")
    return results, faults


def _keep_quiet() -> None:
    from bot.config import Log
    from bot.logs import set_up_logging

    set_up_logging(Log(level="error", format="text"))


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{line}\n")
