"""The table of row errors: number, text, cause and remedy (manual 1-1-4; numbers 200-371 are the real service's,
900-929 are ours)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Code(IntEnum):
    """Numbers below 900 are those of the real service; the block from 900 is ours."""

    REQUIRED = 201


@dataclass(frozen=True)
class RowError:
    """One fault of one row. `column` is its number, `column_name` the manual's name; both None for a whole row or file.

    `values` fill the places of the code's text (a length, a name). Also used, with codes from 950, for warnings.
    """

    code: int
    column: int | None = None
    column_name: str | None = None
    values: tuple[str, ...] = ()

    def cell(self, language: Literal["ja", "en"]) -> str:
        """The エラー内容 cell: `241:1.主体者DN,主体者DNの機関名が…` (manual 1-1-4 step 7)."""
        raise NotImplementedError

    def cause(self, language: Literal["ja", "en"]) -> str:
        """原因: why it is an error."""
        raise NotImplementedError

    def remedy(self, language: Literal["ja", "en"]) -> str:
        """対処方法: what to do about it."""
        raise NotImplementedError
