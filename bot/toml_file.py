"""Reads one TOML file into one checked value; every fault comes with the line it stands on."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Loc = tuple[int | str, ...]
M = TypeVar("M", bound=BaseModel)

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_MESSAGES = {"extra_forbidden": "unknown key", "missing": "is missing"}


@dataclass(frozen=True)
class Fault:
    """What is wrong in a file.

    `line` counts from 1; None where there is none (a key missing at the top level, a file that cannot be
    read). `where`: the key as `officers[0].notify`, counted from 0; may be empty.
    """

    path: Path
    line: int | None
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return ": ".join(part for part in (place, self.where, self.message) if part)


class TomlFault(Exception):
    """A file that cannot be taken, with all its faults. Only an edit helps, so it is never temporary."""

    temporary = False

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


def load_toml(path: Path, model: type[M], **extra: Any) -> M:
    """The value in `path`. `extra`: fields that the file must not give. Raises TomlFault with all faults."""
    return parse_toml(path, read_toml(path), model, **extra)


def read_toml(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TomlFault([Fault(path, None, "", f"cannot be read: {error.strerror}")]) from error


def parse_toml(path: Path, raw: bytes, model: type[M], **extra: Any) -> M:
    """As `load_toml`, for bytes that the caller has read from `path` and may also take a digest of."""
    text = decode_toml(path, raw)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlFault([_syntax_fault(path, text, str(error))]) from error
    taken = [key for key in extra if key in table]
    given = [Fault(path, line_of(text, (key,)), key, "may not be given here") for key in taken]
    try:
        value = model.model_validate({**table, **extra})
    except ValidationError as error:
        raise TomlFault(given + describe(path, text, error.errors())) from error
    if given:
        raise TomlFault(given)
    return value


def decode_toml(path: Path, raw: bytes) -> str:
    try:
        # Windows editors write a byte order mark, which tomllib takes for a key
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TomlFault([Fault(path, line, "", "is not UTF-8")]) from error


def describe(path: Path, text: str, errors: Sequence[ErrorDetails]) -> list[Fault]:
    """pydantic's `errors` as faults, by line. Values are not shown: they may be secrets."""
    table = _line_table(text)
    own = [e for e in errors if not (e["type"] == "too_short" and _has_inner(e["loc"], errors))]
    faults = [Fault(path, _look_up(table, e["loc"]), _where(e["loc"]), _message(e)) for e in own]
    return sorted(faults, key=lambda fault: fault.line or 0)


def _has_inner(loc: Loc, errors: Sequence[ErrorDetails]) -> bool:
    # pydantic drops a row that has a fault, and then finds the array too short
    return any(len(e["loc"]) > len(loc) and e["loc"][: len(loc)] == loc for e in errors)


def line_of(text: str, loc: Loc) -> int | None:
    """The line, from 1, on which `loc` (as pydantic names it) stands in a TOML text.

    What is missing, or lies in an inline table, stands where the thing around it begins. None: nothing of
    `loc` is in the text.
    """
    return _look_up(_line_table(text), loc)


def _look_up(table: Mapping[Loc, int], loc: Loc) -> int | None:
    found: Loc = ()
    for part in loc:
        # a part that is not in the file is skipped: pydantic also names the branch of a union there
        if (*found, part) in table:
            found = (*found, part)
    return table.get(found)


def _line_table(text: str) -> dict[Loc, int]:
    lines: dict[Loc, int] = {}
    newest: dict[Loc, int] = {}
    table: Loc = ()
    for number, statement in _statements(text):
        tree = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _open_table(tree, newest)
            for length in range(1, len(table)):
                lines.setdefault(table[:length], number)
            lines[table] = number
        else:
            for loc in _locs(tree):
                lines.setdefault(table + loc, number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each `key = value` with its first line: the fewest lines that parse alone."""
    pending = ""
    first = 0
    # only LF ends a line in TOML; str.splitlines knows eight more
    for number, line in enumerate(text.split("\n"), start=1):
        if not pending:
            first = number
            if not line.strip() or line.lstrip().startswith("#"):
                continue
        pending += line + "\n"
        if _parses(pending):
            yield first, pending
            pending = ""


def _parses(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _open_table(header: Mapping[str, Any], newest: dict[Loc, int]) -> Loc:
    """The loc of the table that a `[header]` or `[[header]]` opens; `newest` counts in arrays of tables."""
    loc: Loc = ()
    node: Any = header
    while node:
        if isinstance(node, list):
            newest[loc] = newest.get(loc, -1) + 1
            return (*loc, newest[loc])
        if loc in newest:
            loc = (*loc, newest[loc])
        [(key, node)] = node.items()
        loc = (*loc, key)
    return loc


def _locs(tree: Any, at: Loc = ()) -> Iterator[Loc]:
    if at:
        yield at
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _locs(value, (*at, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _locs(value, (*at, index))


def _where(loc: Loc) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def _message(error: ErrorDetails) -> str:
    return _MESSAGES.get(error["type"], error["msg"].removeprefix("Value error, "))


def _syntax_fault(path: Path, text: str, message: str) -> Fault:
    found = _AT_LINE.search(message)
    line = int(found[1]) if found else text.rstrip().count("\n") + 1
    return Fault(path, line, "", f"is not TOML: {_AT_LINE.sub('', message)}")
