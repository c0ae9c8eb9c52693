"""Batches for tests: applications' own sheets, a batch over them, and decision lines with what they must approve."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from handlers.rules.batch_sheet import BatchPart, BatchRow, BatchSheet
from handlers.rules.proof import Case, SignedText
from handlers.rules.sheet import Sheet, SheetRow, code_of, show_code
from store.states import Kind

Place = tuple[str, int]  # an application's number, a SEQ


def a_case(number: str, kind: Kind, rows: int, nonce: str = "ab" * 16) -> Case:
    """An application of `rows` rows, each with a digest of its own."""
    sheet = Sheet(
        instance="testbot",
        number=number,
        institution="testkikan",
        kind=kind,
        file_sha256=hashlib.sha256(number.encode()).hexdigest(),
        rows=tuple(
            SheetRow(
                seq, hashlib.sha256(f"{number}/{seq}".encode()).hexdigest(), f"CN=test{seq}.example.ac.jp"
            )
            for seq in range(1, rows + 1)
        ),
        policy="one-officer",
        policy_sha256="1" * 64,
        register_sha256="2" * 64,
        journal_head="3" * 64,
        nonce=nonce,
    )
    return Case(sheet, hashlib.sha256(sheet.render()).hexdigest())


def a_batch(cases: Sequence[Case], open_rows: dict[Place, bool] | None = None) -> BatchSheet:
    """All rows of the cases that are open, in their order; None: all are."""
    places = [
        (case.sheet.number, row)
        for case in cases
        for row in case.sheet.rows
        if open_rows is None or open_rows[case.sheet.number, row.seq]
    ]
    numbers = {number for number, _ in places}
    parts = (BatchPart(c.sheet.number, c.sheet.kind, c.sheet_sha256) for c in cases)
    return BatchSheet(
        instance="testbot",
        number="B-20261124-testkikan",
        institution="testkikan",
        parts=tuple(part for part in parts if part.number in numbers),
        rows=tuple(
            BatchRow(index, number, row.seq, row.digest, row.name)
            for index, (number, row) in enumerate(places, 1)
        ),
        journal_head="3" * 64,
        nonce="cd" * 16,
    )


def code(batch: BatchSheet) -> str:
    return code_of(batch.render())


@st.composite
def cases(draw: st.DrawFn) -> list[Case]:
    shapes = draw(st.lists(st.tuples(st.sampled_from(Kind), st.integers(1, 4)), min_size=1, max_size=5))
    return [a_case(f"A-20261124-{at:04d}", kind, rows) for at, (kind, rows) in enumerate(shapes, 1)]


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Case], BatchSheet]:
    """Some applications, and a batch over some of their rows."""
    found = draw(cases())
    places = [(case.sheet.number, row.seq) for case in found for row in case.sheet.rows]
    is_open = draw(st.lists(st.booleans(), min_size=len(places), max_size=len(places)).filter(any))
    return found, a_batch(found, dict(zip(places, is_open, strict=True)))


Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Said:
    """A decision as it was meant, to be written down and, apart from that, to be judged row by row."""

    word: str
    rows: Ranges | None
    without: Ranges

    def line(self) -> str:
        parts = [self.word]
        if self.rows is not None:
            parts.append(_written(self.rows))
        if self.word.startswith(("却下", "DECLINE")):
            return f"{' '.join(parts)}: 理由"
        if self.without:
            parts += ["除く" if self.word.endswith("承認") else "EXCEPT", _written(self.without)]
        return " ".join(parts)

    def text(self, batch: BatchSheet, *, quotes: bool) -> str:
        rows = "".join(f"> {row.line()}\n" for row in batch.rows) if quotes else ""
        return f"山田です。\n{self.line()}\n\n> コード: {show_code(code(batch))}\n{rows}"

    def signed(self, batch: BatchSheet, *, quotes: bool = True) -> SignedText:
        return SignedText(self.text(batch, quotes=quotes), frozenset())


def _written(ranges: Ranges) -> str:
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


@st.composite
def decisions(draw: st.DrawFn, most: int) -> Said:
    """Any line about rows 0 to `most`; in words for approvals more often than not."""
    pairs = st.tuples(st.integers(0, most), st.integers(0, most))
    sorted_pairs = pairs.map(lambda pair: (min(pair), max(pair)))
    ranges = st.lists(st.one_of(sorted_pairs, sorted_pairs, pairs), max_size=3).map(tuple)
    word = draw(st.sampled_from(["承認", "失効承認", "APPROVE", "APPROVE REVOCATION", "承認", "却下"]))
    rows = draw(st.one_of(st.none(), ranges.filter(bool)))
    return Said(word, rows, () if word == "却下" else draw(ranges))


def meant(said: Said, batch: BatchSheet) -> set[Place]:
    """What the line approves, worked out row by row by somebody who never saw the product's code."""
    everything = {row.index for row in batch.rows}
    kinds = {part.number: part.kind for part in batch.parts}
    revocations = {row.index for row in batch.rows if kinds[row.number] is Kind.REVOKE}
    if said.word == "却下":
        return set()
    typed = (said.rows or ()) + said.without
    if any(a > b or a not in everything or b not in everything for a, b in typed):
        return set()
    chosen = set(everything) if said.rows is None else {n for a, b in said.rows for n in range(a, b + 1)}
    chosen -= {n for a, b in said.without for n in range(a, b + 1)}
    fitting = revocations if said.word in ("失効承認", "APPROVE REVOCATION") else everything - revocations
    if said.rows is not None and not chosen <= fitting:
        return set()
    return {(row.number, row.seq) for row in batch.rows if row.index in chosen & fitting}
