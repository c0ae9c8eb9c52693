"""What a case of the benchmark is given, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class BenchFault(Exception):
    """A case could not be measured: it says why. What a machine lacks is a remark instead."""

    temporary = False


@dataclass(frozen=True)
class Setting:
    """`place`: an empty folder for the case alone; `shared`: one for all of a run, with what is made once (keys).
    `is_quick`: the whole run has a minute. `tell`: says in a line what is being done."""

    place: Path
    shared: Path
    is_quick: bool
    tell: Callable[[str], None]


@dataclass(frozen=True)
class Figure:
    """E.g. "issuing_rsa2048", 1480.0, "certificates/s"."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Ratio:
    """A figure beside something real. `name` ends in _ratio. `is_floor`: must be at least `reach`, else at most.

    A limit that is absolute is a ratio too: measured / limit, to be at most 1 (or at least 1, for a floor).
    """

    name: str
    value: float
    reach: float
    is_floor: bool

    def __post_init__(self) -> None:
        if not self.name.endswith("_ratio"):
            raise ValueError(f"{self.name}: a ratio's name ends in _ratio")

    @property
    def is_reached(self) -> bool:
        return self.value >= self.reach if self.is_floor else self.value <= self.reach


@dataclass(frozen=True)
class Result:
    """`remarks`: what was left out, and why."""

    case: str
    figures: tuple[Figure, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    remarks: tuple[str, ...] = ()
