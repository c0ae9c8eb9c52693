"""The shape of a row error's words."""

from typing import Literal, NamedTuple


class Says(NamedTuple):
    """One code in one language: エラーメッセージ, 原因, 対処方法 (manual 1-1-4 step 5)."""

    text: str
    cause: str
    remedy: str


Words = dict[Literal["ja", "en"], Says]
