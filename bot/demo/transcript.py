"""What the rehearsal tells: a narrative for people as it happens, and one summary for programs."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from rich.cells import chop_cells
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from bot.demo.mailbox import subject_of

WIDTH = 100  # columns; a pipe has no width of its own
_BAR = "     │ "
_SUMMARY_VERSION = 1
_WHOLE = re.compile(r"https?://|(^|\s)/\w")


@dataclass(frozen=True)
class Step:
    """One step: what was to hold, the manual's section, whether it held, what was seen, how long it took."""

    step: str
    manual: str
    held: bool
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Summary:
    """The whole rehearsal. `folder` is absolute."""

    folder: Path
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.held for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        steps = [
            {
                "step": step.step,
                "manual": step.manual,
                "held": step.held,
                "detail": step.detail,
                "seconds": round(step.seconds, 2),
            }
            for step in self.steps
        ]
        return {"ringi_demo": _SUMMARY_VERSION, "ok": self.ok, "folder": str(self.folder), "steps": steps}


def _chop(text: Text, width: int) -> list[Text]:
    pieces = chop_cells(text.plain, width)
    return list(text.divide(list(accumulate(len(piece) for piece in pieces))[:-1]))


class Transcript:
    """Writes the narrative to a rich console; without colours and moving parts where that is no terminal."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._console = console or Console(highlight=False, quiet=quiet)
        width = self._console.width if self._console.is_terminal else WIDTH
        self._console.width = min(width, WIDTH)

    def title(self, title: str, lines: Iterable[str]) -> None:
        self._console.print(Rule(Text(title, "bold"), align="left", characters="═"))
        for line in lines:
            self.say(line)

    def chapter(self, manual: str, title: str) -> None:
        """A step begins."""
        self._console.print()
        self._console.print(Text.assemble((f"{manual}  ", "bold cyan"), (title, "bold")))

    def act(self, who: str, what: str) -> None:
        """Somebody does something."""
        self._print(Text.assemble((f"{who} ", "bold"), what), "   ")

    def mail(self, raw: bytes, file_name: str, lines: Iterable[str] = ()) -> None:
        """A mail went its way; `lines` are what matters in it."""
        self._print(Text.assemble("✉ ", (file_name, "dim")), "   ")
        self._quote(Text.assemble("件名: ", (subject_of(raw), "bold")))
        for line in lines:
            self._quote(Text(line, "blue"))

    def _quote(self, text: Text) -> None:
        """A line of a mail, cut where the column ends: Japanese has no spaces to break at."""
        cut = [text] if _WHOLE.search(text.plain) else _chop(text, self._console.width - len(_BAR))
        for line in cut:
            self._console.print(Text.assemble((_BAR, "dim"), line), soft_wrap=True)

    def result(self, step: Step) -> None:
        """How a step ended."""
        mark = ("✓ ", "bold green") if step.held else ("✗ ", "bold red")
        self._print(Text.assemble(mark, step.detail, (f"  ({step.seconds:.1f} s)", "dim")), "   ")

    def end(self, summary: Summary, places: Iterable[tuple[str, str]]) -> None:
        """The verdict and where everything lies."""
        held = sum(step.held for step in summary.steps)
        verdict = f"{'✓' if summary.ok else '✗'} {held} of {len(summary.steps)} steps held"
        style = "bold green" if summary.ok else "bold red"
        self._console.print()
        self._console.print(Rule(Text(verdict, style), align="left"))
        self.table(places)

    def table(self, rows: Iterable[tuple[str, str]]) -> None:
        """Names on the left, values on the right."""
        pairs = list(rows)
        left = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            self.say(f"{name:<{left}}  {value}")

    def say(self, text: str) -> None:
        self._print(Text(text), "")

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A spinner on a terminal; nothing elsewhere."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(what):
            yield

    def _print(self, text: Text, indent: str) -> None:
        """Wrapped and indented; a line with an address or a path stays whole, so that it can be copied."""
        if _WHOLE.search(text.plain):
            lines = [text]
        else:
            lines = list(text.wrap(self._console, self._console.width - len(indent), overflow="fold"))
        for line in lines:
            line.rstrip()
            # soft_wrap: the console itself must neither break nor fill the line
            self._console.print(Text.assemble((indent, "dim"), line), soft_wrap=True)
