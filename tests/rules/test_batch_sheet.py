"""The sheet of a batch: read back exactly as it was written, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given

from handlers.rules.approval import read_decision
from handlers.rules.batch_sheet import BatchSheet, parse_batch_sheet
from handlers.rules.batch_words import words_fault
from handlers.rules.reasons import Reason
from handlers.rules.sheet import SheetFault, show_code
from store.states import Kind
from tests.batches import a_batch, a_case, batches, code

CASES = [a_case("A-20261124-0001", Kind.ISSUE, 2), a_case("A-20261124-0002", Kind.REVOKE, 1)]
BATCH = a_batch(CASES)


@given(batches())
def test_what_is_written_is_read_back(made: tuple[object, BatchSheet]) -> None:
    _, batch = made
    assert parse_batch_sheet(batch.render()) == batch


def test_it_reads_as_text() -> None:
    lines = BATCH.render().decode().splitlines()
    assert lines[:5] == [
        "Ringi-Batch: 1",
        "Instance: testbot",
        "Batch: B-20261124-testkikan",
        "Institution: testkikan",
        "Applications: 2",
    ]
    assert lines[5] == f"A-20261124-0001: issue sha256:{CASES[0].sheet_sha256}"
    assert (
        lines[8] == f"Row-1: sha256:{CASES[0].sheet.rows[0].digest} A-20261124-0001/1 CN=test1.example.ac.jp"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Ringi-Batch: 1", b"Ringi-Batch: 2"),
        (b"Rows: 3", b"Rows: 4"),
        (b"Row-2: ", b"Row-02: "),
        (b"\n", b"\r\n"),
        (b"issue", b"isue"),
        (b"Journal: ", b"Extra: x\nJournal: "),
        (b"A-20261124-0001/2", b"A-20261124-0001-2"),
        (b"Instance", b"\xff"),
    ],
)
def test_bytes_that_are_not_exactly_a_batch_are_refused(before: bytes, after: bytes) -> None:
    assert before in BATCH.render()
    with pytest.raises(SheetFault):
        parse_batch_sheet(BATCH.render().replace(before, after))


@pytest.mark.parametrize(
    "unsound",
    [
        replace(BATCH, rows=BATCH.rows[1:]),  # does not begin with 1
        replace(BATCH, rows=(*BATCH.rows, replace(BATCH.rows[0], index=4))),  # a row twice
        replace(BATCH, rows=(*BATCH.rows, replace(BATCH.rows[0], seq=9, index=3))),  # an index twice
        replace(BATCH, parts=BATCH.parts[:1]),  # rows of an application that is not in it
        replace(BATCH, rows=BATCH.rows[:2]),  # an application without rows
        replace(BATCH, parts=(*BATCH.parts, replace(BATCH.parts[0], kind=Kind.REVOKE))),  # two kinds
    ],
)
def test_a_number_that_stands_twice_or_nowhere_is_no_batch(unsound: BatchSheet) -> None:
    with pytest.raises(SheetFault):
        parse_batch_sheet(unsound.render())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("承認", None),
        ("失効承認", None),
        ("承認 1-2", None),
        ("承認 除く 1", None),
        ("失効承認 3", None),
        ("却下 2-3: 不要", None),
        ("却下: 不要", None),
        ("承認 1-3", Reason.WRONG_VERB),
        ("承認 3", Reason.WRONG_VERB),
        ("失効承認 2-3", Reason.WRONG_VERB),
        ("承認 除く 1-2", Reason.WRONG_VERB),
        ("承認 4", Reason.ROWS_UNKNOWN),
        ("承認 0", Reason.ROWS_UNKNOWN),
        ("承認 除く 4", Reason.ROWS_UNKNOWN),
        ("承認 2-1", Reason.ROWS_UNKNOWN),
        ("承認 除く 2-1", Reason.ROWS_UNKNOWN),
        ("承認 1 除く 1", Reason.ROWS_UNKNOWN),
        ("却下 4: 不要", Reason.ROWS_UNKNOWN),
        ("却下 1", Reason.REASON_MISSING),
        ("保留: 確認中", Reason.HOLD_IN_BATCH),
        ("再開", Reason.HOLD_IN_BATCH),
        ("お願いします", Reason.NO_DECISION),
        ("承認\n却下: だめ", Reason.TWO_DECISIONS),
    ],
)
def test_each_line_of_a_batch_has_one_meaning_or_one_reason(line: str, reason: Reason | None) -> None:
    assert words_fault(read_decision(f"{line}\n> {show_code(code(BATCH))}\n"), BATCH) is reason


def test_AP2_a_quoted_row_must_be_the_batch_s() -> None:
    quoted = f"承認\n> {show_code(code(BATCH))}\n> {BATCH.rows[1].line()}\n"
    assert words_fault(read_decision(quoted), BATCH) is None
    # its application's own mail numbers the row otherwise
    assert words_fault(read_decision(quoted.replace("Row-2", "Row-1")), BATCH) is Reason.QUOTE_MISMATCH
    renamed = quoted.replace(BATCH.rows[1].name, "CN=harmless.example.ac.jp")
    assert words_fault(read_decision(renamed), BATCH) is Reason.QUOTE_MISMATCH
