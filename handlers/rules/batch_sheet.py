"""The sheet of a batch: the open rows of many applications, renumbered from 1, so that one reply decides a day's work.

Each application's own sheet is named by its digest, so a row of a batch is bound to the exact request, as by its own
sheet. The code is that of any sheet: the first 32 hex digits of the SHA-256.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from handlers.rules.sheet import SheetFault
from store.states import Kind

_VERSION = "1"


@dataclass(frozen=True)
class BatchPart:
    """One application in the batch: its number, its kind, the SHA-256 (hex) of its own sheet."""

    number: str
    kind: Kind
    sheet_sha256: str


@dataclass(frozen=True)
class BatchRow:
    """`index`: 1..n within the batch; `seq`: within its application. `digest`, `name`: as in the own sheet."""

    index: int
    number: str
    seq: int
    digest: str
    name: str

    def line(self) -> str:
        """How the row stands in the mail, and so in the text an officer signs."""
        return f"Row-{self.index} {self.digest[:16]} {self.name}"


@dataclass(frozen=True)
class BatchSheet:
    """Every field is part of what is signed."""

    instance: str
    number: str  # B-20261122-testkikan: one a day and institution
    institution: str
    parts: tuple[BatchPart, ...]
    rows: tuple[BatchRow, ...]
    journal_head: str
    nonce: str

    def rows_of(self, number: str, sheet_sha256: str) -> Iterator[BatchRow]:
        """The rows of one application, if it is in the batch with this very sheet."""
        if any((part.number, part.sheet_sha256) == (number, sheet_sha256) for part in self.parts):
            yield from (row for row in self.rows if row.number == number)

    def kinds(self) -> dict[str, Kind]:
        """By application number."""
        return {part.number: part.kind for part in self.parts}

    def is_sound(self) -> bool:
        """Whether every index and every row stands once: else `除く 3` could leave out a row that is also the 7th."""
        rows = [(row.number, row.seq) for row in self.rows]
        return (
            [row.index for row in self.rows] == list(range(1, len(rows) + 1))
            and len(set(rows)) == len(rows)
            and len(self.kinds()) == len(self.parts)
            and {number for number, _ in rows} == set(self.kinds())
        )

    def render(self) -> bytes:
        """UTF-8, LF, one `Name: value` a line, in fixed order."""
        lines = [
            f"Ringi-Batch: {_VERSION}",
            f"Instance: {self.instance}",
            f"Batch: {self.number}",
            f"Institution: {self.institution}",
            f"Applications: {len(self.parts)}",
            *(f"{part.number}: {part.kind} sha256:{part.sheet_sha256}" for part in self.parts),
            f"Rows: {len(self.rows)}",
            *(f"Row-{r.index}: sha256:{r.digest} {r.number}/{r.seq} {r.name}" for r in self.rows),
            f"Journal: {self.journal_head}",
            f"Nonce: {self.nonce}",
        ]
        return "".join(line + "\n" for line in lines).encode()


def parse_batch_sheet(data: bytes) -> BatchSheet:
    """Read what `render` wrote and nothing else. Raises SheetFault."""
    try:
        pairs = [line.split(": ", 1) for line in data.decode().splitlines()]
        fields = {name: value for name, value in pairs}
        sheet = BatchSheet(
            instance=fields["Instance"],
            number=fields["Batch"],
            institution=fields["Institution"],
            parts=tuple(_part(name, value) for name, value in pairs if name.startswith("A-")),
            rows=tuple(_row(name, value) for name, value in pairs if name.startswith("Row-")),
            journal_head=fields["Journal"],
            nonce=fields["Nonce"],
        )
    except (ValueError, KeyError) as error:
        raise SheetFault(f"not the sheet of a batch: {error}") from error
    if sheet.render() != data:
        raise SheetFault("not the sheet of a batch: it does not render to the same bytes")
    if not sheet.is_sound():
        raise SheetFault("not the sheet of a batch: a number stands twice or is missing")
    return sheet


def _part(name: str, value: str) -> BatchPart:
    kind, digest = value.split(" sha256:")
    return BatchPart(name, Kind(kind), digest)


def _row(name: str, value: str) -> BatchRow:
    digest, place, title = value.removeprefix("sha256:").split(" ", 2)
    number, seq = place.split("/")
    return BatchRow(int(name.removeprefix("Row-")), number, int(seq), digest, title)
