"""Reading a decision out of the text an officer signed (threats.md AP2, AP3 in the project's requirements).

Only a line of the officer's own that equals one of the forms below counts; quotes and our own mail's text never do.
"""

import re
import unicodedata
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from handlers.rules.reasons import Reason
from store.states import Verb

# The first body line of every mail of ours. Outlook quotes without `>`: what follows it is ours, not the officer's.
_MARKER = re.compile(r"^─{2,} Ringi( \S+)? ─{2,}$")
# The head of any other mail that is quoted without marks: a colleague's decision must not become the reader's.
_OLD_SENDER = re.compile(r"^\*?(?:From|差出人|送信者|送信元) ?:", re.IGNORECASE)
_OLD_HEADER = re.compile(
    r"^\*?(?:Sent|Date|To|Cc|Subject|Reply-To|送信日時|日時|日付|宛先|件名|返信先) ?:", re.IGNORECASE
)
# how far apart the two may stand: a program that breaks long lines breaks that of a long name and address too
_HEAD_LINES = 3
_ROWS = r"(?P<rows>\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*)"
_EXCEPT = r"(?P<without>\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*)"
_SELECTION = rf"(?: {_ROWS})?(?: (?:除く|EXCEPT) {_EXCEPT})?(?P<faultless> (?:有効分のみ|FAULTLESS-ONLY))?"
# ASCII: else digits of other scripts are row numbers, and a Turkish dotless ı is the I of DECLINE
_FLAGS = re.IGNORECASE | re.ASCII
_FORMS = (
    (Verb.APPROVE, False, re.compile(rf"^(?:承認(?:します|いたします)?|APPROVE){_SELECTION}[。.]?$", _FLAGS)),
    (Verb.APPROVE, True, re.compile(rf"^(?:失効承認|APPROVE REVOCATION){_SELECTION}[。.]?$", _FLAGS)),
    (
        Verb.DECLINE,
        False,
        re.compile(rf"^(?:却下|DECLINE)(?: {_ROWS})?(?: ?: ?(?P<comment>.*)|[。.]?)$", _FLAGS),
    ),
    (Verb.HOLD, False, re.compile(r"^(?:保留|HOLD)(?: ?: ?(?P<comment>.*)|[。.]?)$", _FLAGS)),
    (Verb.RESUME, False, re.compile(r"^(?:再開|RESUME)[。.]?$", _FLAGS)),
)
_CODE = re.compile(r"(?<![0-9a-f-])[0-9a-f]{8}(?:(?:-| |- )[0-9a-f]{8}){3}(?![0-9a-f-])")
# a line of a sheet's row, and what follows it: a long name may have been broken
_QUOTED_ROW = re.compile(r"\bRow-(\d{1,5}) ([0-9a-f]{16})\b(?=((?: \S+){0,5}))")
_QUOTED_NAME = re.compile(r" (CN=[\w*.-]+)(?![^\s<>()\[\],;|])", re.IGNORECASE)
_QUOTE_PREFIX = re.compile(r"^[\s>|]+")
# Columns. A mail program that breaks quoted lines, as some do at 65 and more, leaves the rest of one without its mark:
# an applicant's words would stand alone there, and be the officer's.
_BROKEN_FROM = 64
_LONGEST_COMMENT = 500
_LONGEST_LINE = 1000


@dataclass(frozen=True)
class DecisionLine:
    """One decision. `rows` is None for all rows, else SEQ ranges as (first, last); `without` are left out of them."""

    verb: Verb
    is_revocation: bool
    rows: tuple[tuple[int, int], ...] | None
    without: tuple[tuple[int, int], ...]
    faultless_only: bool
    comment: str

    def covers(self, seq: int) -> bool:
        named = self.rows is None or any(first <= seq <= last for first, last in self.rows)
        return named and not any(first <= seq <= last for first, last in self.without)

    def seqs_named(self) -> set[int]:
        """The ends of every range a person typed: each must exist."""
        return {seq for pair in (self.rows or ()) + self.without for seq in pair}

    def runs_backwards(self) -> bool:
        """Whether a range such as `5-3` covers nothing: `除く 5-3` would leave out no row at all."""
        return any(first > last for first, last in (self.rows or ()) + self.without)


@dataclass(frozen=True)
class QuotedRow:
    """A row line of our own form. `digest`: its first 16 hex digits; `following`: the few words after it."""

    seq: int
    digest: str
    following: str

    def is_line(self, seq: int, digest: str, name: str) -> bool:
        """Whether it is the line of this row of a sheet: also its name, which is all of it that a person reads.

        Where no name follows (cut off, made a link) the digest says enough; a name that was broken is joined again.
        """
        if (self.seq, self.digest) != (seq, digest[:16]):
            return False
        shown = _QUOTED_NAME.match(self.following)
        if shown is None or shown[1].lower() == name.lower():
            return True
        is_begin = name.lower().startswith(shown[1].lower())
        return is_begin and self.following.replace(" ", "").lower().startswith(name.lower())


@dataclass(frozen=True)
class Reading:
    """What the signed text says. `codes`: the distinct sheet codes in it, 32 hex digits each.

    `decision` is None iff `fault` is set.
    """

    decision: DecisionLine | None
    fault: Reason | None
    codes: tuple[str, ...]
    quoted_rows: frozenset[QuotedRow]

    def quotes_only(self, rows: Iterable[tuple[int, str, str]]) -> bool:
        """Whether every row line in it is one of these rows: (number, digest, name). Else the officer saw another
        request."""
        known = {(seq, digest[:16]): name for seq, digest, name in rows}
        return all(
            (name := known.get((row.seq, row.digest))) is not None and row.is_line(row.seq, row.digest, name)
            for row in self.quoted_rows
        )


@lru_cache(maxsize=4)  # each handler asks anew, of one mail at a time
def read_decision(text: str) -> Reading:
    """Read the signed text (LF line ends, unflowed)."""
    found = [decision for line in own_lines(text) if (decision := _parse_line(line))]
    whole = _join_without_quote_marks(text)
    codes = tuple(dict.fromkeys(re.sub("[- ]", "", code) for code in _CODE.findall(whole)))
    rows = frozenset(QuotedRow(int(seq), *rest) for seq, *rest in _QUOTED_ROW.findall(whole))
    decision, fault = None, None
    if not found:
        fault = Reason.NO_DECISION
    elif len(found) > 1:
        fault = Reason.TWO_DECISIONS
    elif found[0].verb in (Verb.DECLINE, Verb.HOLD) and not found[0].comment:
        fault = Reason.REASON_MISSING
    else:
        decision = found[0]
    return Reading(decision, fault, codes, rows)


@lru_cache(maxsize=4)
def own_lines(text: str) -> tuple[str, ...]:
    """The lines the officer wrote: folded (NFKC) and trimmed, without quotes, what a program may have broken off them,
    and anything from our marker line on, or from the head of another old mail. Lines that are too long to be a
    decision are left out."""
    own = list[str]()
    above = ""  # the line right above, if it is quoted or the rest of such a one
    recent = deque[tuple[str, int]](
        maxlen=_HEAD_LINES
    )  # lines that are not blank, each with the own ones before it
    for line in text.split("\n"):
        # folding sorts runs of combining marks in square time: so only of a piece that no run makes expensive
        folded = " ".join(unicodedata.normalize("NFKC", line[:_LONGEST_LINE]).split())
        if _MARKER.match(folded):
            break
        heads = [count for before, count in recent if _is_old_head(before, folded)]
        if heads:
            del own[heads[0] :]  # a name of the sender's that was broken off is not the reader's word
            break
        if folded:
            recent.append((folded, len(own)))
        is_quoted = folded.startswith((">", "|")) or _is_broken_off(above, line)
        above = line if is_quoted else ""
        if len(line) <= _LONGEST_LINE and not is_quoted:
            own.append(folded)
    return tuple(own)


def _is_broken_off(above: str, line: str) -> bool:
    """Whether the first word of `line` had no room in the quoted line `above`."""
    words = line.split(maxsplit=1)
    return bool(above and words) and _columns(above.rstrip()) + 1 + _columns(words[0]) > _BROKEN_FROM


def _columns(text: str) -> int:
    """Roughly: what is not ASCII stands two wide. verify.sh counts the same way."""
    return len(text) + sum(character > "\x7f" for character in text)


def _is_old_head(line: str, following: str) -> bool:
    """Whether two lines are the sender and another header of an old mail, in whichever order."""
    pairs = ((line, following), (following, line))
    return any(_OLD_SENDER.match(one) and _OLD_HEADER.match(other) for one, other in pairs)


def _parse_line(line: str) -> DecisionLine | None:
    for verb, is_revocation, form in _FORMS:
        if match := form.match(line):
            groups = match.groupdict()
            rows = groups.get("rows")
            return DecisionLine(
                verb=verb,
                is_revocation=is_revocation,
                rows=_ranges(rows) if rows else None,
                without=_ranges(groups.get("without") or ""),
                faultless_only=bool(groups.get("faultless")),
                comment=(groups.get("comment") or "").strip()[:_LONGEST_COMMENT],
            )
    return None


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    ranges = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        ranges.append((int(first), int(last or first)))
    return tuple(ranges)


def _join_without_quote_marks(text: str) -> str:
    """All lines in one, quote marks gone: a code or a row line may have been wrapped inside a quote."""
    lines = (_QUOTE_PREFIX.sub("", line) for line in text.split("\n"))
    return " ".join(" ".join(lines).split())
