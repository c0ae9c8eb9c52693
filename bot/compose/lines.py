"""Lines of a mail: made harmless, measured and folded as Japanese mail readers expect."""

import re
import unicodedata
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from itertools import accumulate, dropwhile
from typing import Any, Literal

from handlers.rules.row_errors import RowError

WIDTH = 72  # columns; a quote sign in front still fits where mail programs wrap

# what a long line is continued with: an answer that quotes it can never begin with the reader's own words
CONTINUED = "｜ "

# the ideographic space stays: people write it into their names
_BREAKS = re.compile(r"[^\S\u3000]+")
# nothing in it is unseen and no space follows another: most of what stands in a mail
_PLAIN = re.compile(r"[!-~]*(?: [!-~]+)*")
_SENTENCE = re.compile(r"(?<=。)")
# a word, a katakana word, a kanji word, or one character
_TOKEN = re.compile(r"[!-~]+|\s+|[ァ-ヺー・]+|[一-鿿々]+|.", re.DOTALL)
# what no line begins with (JIS X 4051): closing marks, and small kana, which every hiragana is taken for anyhow
_CLOSING = "。、，．,.)）」』】〕》〉］｝’”：；？！:;?!]}‥…ー〜～々ゝゞヽヾ・｡､｣･ｰァィゥェォッャュョヮヵヶ"
_NEVER_FIRST = re.compile(f"[{re.escape(_CLOSING)}]")
_KANA = re.compile("[ぁ-ん]")
_PAUSE = ("。", "、")
_JOINTS = "./-@&"
_NOT_SHORT = 0.35  # of the room
_NEVER_LAST = re.compile(r"[(\[{（「『【〔《〈［｛‘“おご0-9]")


@dataclass(frozen=True)
class TamedError:
    """A row error in tame words. Its values stay as they came: it shows what is unseen as `U+202E` itself."""

    error: RowError

    def cell(self, language: Literal["ja", "en"]) -> str:
        return one_line(self.error.cell(language))

    def cause(self, language: Literal["ja", "en"]) -> str:
        return one_line(self.error.cause(language))

    def remedy(self, language: Literal["ja", "en"]) -> str:
        return one_line(self.error.remedy(language))


def one_line(text: str) -> str:
    """`text` as one line without anything unseen: C0, C1, DEL, bidi, zero-width, surrogates (threats INJ1)."""
    if _PLAIN.fullmatch(text):
        return text.strip()
    spaced = _BREAKS.sub(" ", text)
    return "".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Cs")).strip()


def tame(value: Any) -> Any:
    """A letter, or anything in one, with every string made `one_line`; codes and times stay as they are."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, RowError):
        return TamedError(value)
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, tuple):
        return tuple(tame(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: tame(getattr(value, f.name)) for f in fields(value) if f.init})
    return value


def columns(text: str) -> int:
    """How wide `text` stands; Japanese fonts draw ambiguous characters (─, …) wide too (UAX #11)."""
    return len(text) if text.isascii() else sum(map(_column, text))


def fold(text: str, first: int = WIDTH, later: int = WIDTH) -> list[str]:
    """`text` in lines of at most `first` columns, then `later`; no line begins with 。 or ends with 「.

    A line ends after a sentence or a 、 where that does not leave it short: a phone breaks lines anew, and a break
    amid a phrase stands there as a second one.
    """
    lines, held, room = [], list[str](), first
    for token in _tokens(text):
        while "".join(held).strip() and columns("".join(held) + token.rstrip()) > room:
            cut = _break(held, room)
            lines.append("".join(held[:cut]).rstrip())
            held, room = _unspaced(held[cut:]), later
            if not held:
                token = token.lstrip()
        while not held and columns(token) > room:
            size = _fitting(token, room)
            lines.append(token[:size])
            token, room = token[size:], later
        if token:
            held.append(token)
    return [*lines, "".join(held).rstrip()]


def fold_value(line: str) -> list[str]:
    """A line that a value made long, its continuation behind the line's own indent and `CONTINUED`."""
    indent = line[: len(line) - len(line.lstrip())]
    begin = indent + CONTINUED
    first, *later = fold(line[len(indent) :], WIDTH - columns(indent), WIDTH - columns(begin))
    return [indent + first, *(begin + rest for rest in later)]


def sentences(text: str) -> str:
    """Our own prose: a line for each Japanese sentence, folded."""
    return "\n".join(line for s in _SENTENCE.split(text) if s.strip() for line in fold(s.strip()))


@cache
def _column(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Mn":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WFA" else 1


def _tokens(text: str) -> list[str]:
    """What may stand at a line's start: a word with the kana and punctuation that follow it, roughly a 文節."""
    tokens: list[str] = []
    for token in _TOKEN.findall(text):
        is_apart = not tokens or tokens[-1].isspace() or token.isspace()
        is_tail = _KANA.match(token) and tokens and not tokens[-1].endswith(_PAUSE)
        if not is_apart and (is_tail or _NEVER_FIRST.match(token) or _NEVER_LAST.match(tokens[-1][-1])):
            tokens[-1] += token
        else:
            tokens.append(token)
    return tokens


def _unspaced(tokens: list[str]) -> list[str]:
    return list(dropwhile(str.isspace, tokens))


def _break(tokens: list[str], room: int) -> int:
    """How many of the tokens, which fit into a line of `room` columns, it takes."""
    ends = list(accumulate(columns(token) for token in tokens))
    for mark in _PAUSE:
        for place in reversed(range(len(tokens))):
            if tokens[place].rstrip().endswith(mark) and ends[place] >= room * _NOT_SHORT:
                return place + 1
    return len(tokens)


def _fitting(token: str, room: int) -> int:
    """How many characters of a token longer than a line fit into `room` columns; one at least.

    A long name or address ends at one of its joints, where it has one.
    """
    width = 0
    for count, character in enumerate(token):
        width += _column(character)
        if width > room:
            joint = max(token.rfind(mark, 0, count) for mark in _JOINTS) + 1
            hangs = next((n for n in (0, 1) if token[count - n] not in _CLOSING), 0)
            is_good = joint >= count / 2 and token[joint] not in _CLOSING
            return joint if is_good else max(count - hangs, 1)
    return len(token)
