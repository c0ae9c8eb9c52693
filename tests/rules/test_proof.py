"""What a signed text approves: the desk and the signer ask the same rule, and no forged sheet gets past it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.batch_sheet import BatchSheet
from handlers.rules.proof import Case, SignedText, approved_rows
from handlers.rules.sheet import show_code
from store.states import Kind
from tests.batches import Place, Said, a_batch, a_case, batches, cases, code, decisions, meant

CASES = [
    a_case("A-20261124-0001", Kind.ISSUE, 2),
    a_case("A-20261124-0002", Kind.REVOKE, 1),
    a_case("A-20261124-0003", Kind.RENEW, 2),
]
BATCH = a_batch(CASES)  # rows 1-2, 3, 4-5
ALL = Said("承認", None, ())
WITHOUT_REVOCATION = {
    ("A-20261124-0001", 1),
    ("A-20261124-0001", 2),
    ("A-20261124-0003", 1),
    ("A-20261124-0003", 2),
}


def approved(
    found: Sequence[Case], signed: SignedText, known: Sequence[tuple[str, BatchSheet]]
) -> set[Place]:
    return {(case.sheet.number, seq) for case in found for seq in approved_rows(case, signed, known)}


@given(st.data())
def test_a_batch_approves_exactly_what_its_line_means_over_all_applications(data: st.DataObject) -> None:
    found, batch = data.draw(batches())
    said = data.draw(decisions(len(batch.rows) + 1))
    signed = said.signed(batch, quotes=data.draw(st.booleans()))
    assert approved(found, signed, [(code(batch), batch)]) == meant(said, batch)


@given(st.data())
def test_a_sheet_of_one_application_approves_exactly_what_its_line_means(data: st.DataObject) -> None:
    (case, *others) = data.draw(cases())
    alone = a_batch([case])
    said = data.draw(decisions(len(alone.rows) + 1))
    signed = SignedText(f"{said.line()}\n> {show_code(case.code)}\n", frozenset())
    assert approved([case], signed, []) == meant(said, alone)
    assert approved(others, signed, []) == set()


def test_the_examples_of_the_mails() -> None:
    known = [(code(BATCH), BATCH)]
    assert approved(CASES, ALL.signed(BATCH), known) == WITHOUT_REVOCATION
    assert approved(CASES, Said("失効承認", None, ()).signed(BATCH), known) == {("A-20261124-0002", 1)}
    some = Said("承認", ((1, 2), (4, 5)), ((2, 2),))
    assert approved(CASES, some.signed(BATCH), known) == WITHOUT_REVOCATION - {("A-20261124-0001", 2)}


def test_AP3_a_range_over_a_revocation_approves_nothing_at_all() -> None:
    assert approved(CASES, Said("承認", ((1, 5),), ()).signed(BATCH), [(code(BATCH), BATCH)]) == set()


@pytest.mark.parametrize("words", ["保留: 理由", "再開", "却下: 理由", "よろしく", "承認\n却下 1: だめ"])
def test_other_words_approve_nothing(words: str) -> None:
    signed = SignedText(f"{words}\n> {show_code(code(BATCH))}\n", frozenset())
    assert approved(CASES, signed, [(code(BATCH), BATCH)]) == set()


def test_AP2_a_quoted_row_that_is_not_the_sheet_s_voids_the_approval() -> None:
    text = ALL.text(BATCH, quotes=True).replace(BATCH.rows[4].digest[:16], "0" * 16)
    assert approved(CASES, SignedText(text, frozenset()), [(code(BATCH), BATCH)]) == set()
    (case, *_) = CASES
    text = f"承認\n> {show_code(case.code)}\n> Row-1 {'0' * 16} CN=test1.example.ac.jp\n"
    assert approved_rows(case, SignedText(text, frozenset()), []) == set()


@pytest.mark.parametrize("line", ["承認 除く 2-1", "承認 1,2-1", "承認 1 除く 9", "承認 9"])
def test_AP3_rows_that_run_backwards_or_do_not_exist_approve_nothing(line: str) -> None:
    (case, *_) = CASES
    for meant_code in (case.code, code(BATCH)):
        signed = SignedText(f"{line}\n> {show_code(meant_code)}\n", frozenset())
        assert approved_rows(case, signed, [(code(BATCH), BATCH)]) == set()


def test_an_application_frozen_anew_is_not_approved_by_the_batch_that_held_its_old_sheet() -> None:
    again = a_case("A-20261124-0001", Kind.ISSUE, 2, nonce="ef" * 16)
    found = approved([again, *CASES[1:]], ALL.signed(BATCH), [(code(BATCH), BATCH)])
    assert found == {place for place in WITHOUT_REVOCATION if place[0] == "A-20261124-0003"}


def test_a_batch_and_a_sheet_in_one_text_approve_nothing() -> None:
    text = f"{ALL.text(BATCH, quotes=False)}> {show_code(CASES[0].code)}\n"
    assert approved(CASES, SignedText(text, frozenset()), [(code(BATCH), BATCH)]) == set()


def test_a_case_whose_sheet_is_not_behind_its_digest_is_never_approved() -> None:
    (case, *_) = CASES
    forged = replace(case, sheet=replace(case.sheet, rows=case.sheet.rows[:1]))
    signed = SignedText(f"承認\n> {show_code(case.code)}\n", frozenset())
    assert approved_rows(case, signed, []) == {1, 2}
    assert approved_rows(forged, signed, []) == set()


def _row(batch: BatchSheet, at: int, **changes: object) -> BatchSheet:
    rows = list(batch.rows)
    rows[at] = replace(rows[at], **changes)  # type: ignore[arg-type]
    return replace(batch, rows=tuple(rows))


def _part(batch: BatchSheet, at: int, **changes: object) -> BatchSheet:
    parts = list(batch.parts)
    parts[at] = replace(parts[at], **changes)  # type: ignore[arg-type]
    return replace(batch, parts=tuple(parts))


# what is wrong with the batch that was shown and signed, and which row it must not approve
FORGERIES: dict[str, tuple[Callable[[], BatchSheet], Place]] = {
    "name of a row": (lambda: _row(BATCH, 0, name="CN=harmless.example.ac.jp"), ("A-20261124-0001", 1)),
    "digest of a row": (lambda: _row(BATCH, 0, digest="0" * 64), ("A-20261124-0001", 1)),
    "row moved within its application": (lambda: _row(BATCH, 0, seq=3), ("A-20261124-0001", 1)),
    "row moved to another application": (
        lambda: _row(a_batch(CASES[:1] + CASES[2:]), 0, number="A-20261124-0003", seq=3),
        ("A-20261124-0003", 3),
    ),
    "two rows changed places": (
        lambda: _row(_row(BATCH, 0, seq=2), 1, seq=1),
        ("A-20261124-0001", 1),
    ),
    "digest of the application's sheet": (
        lambda: _part(BATCH, 0, sheet_sha256="0" * 64),
        ("A-20261124-0001", 1),
    ),
    "kind: an issue dressed up as a renewal": (
        lambda: _part(BATCH, 0, kind=Kind.RENEW),
        ("A-20261124-0001", 1),
    ),
    "kind: a revocation dressed up as an issue": (
        lambda: _part(BATCH, 1, kind=Kind.ISSUE),
        ("A-20261124-0002", 1),
    ),
    "of another institution": (lambda: replace(BATCH, institution="other"), ("A-20261124-0001", 1)),
    "of another bot": (lambda: replace(BATCH, instance="other"), ("A-20261124-0001", 1)),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_AP1_a_forged_batch_does_not_approve_the_row_it_misrepresents_even_when_it_was_signed(
    name: str,
) -> None:
    make, place = FORGERIES[name]
    forged = make()
    for said in (ALL, Said("失効承認", None, ())):
        assert place not in approved(CASES, said.signed(forged), [(code(forged), forged)])


@pytest.mark.parametrize("name", FORGERIES)
def test_AP1_a_batch_that_is_not_the_text_behind_the_signed_code_approves_nothing(name: str) -> None:
    forged = FORGERIES[name][0]()
    assert approved(CASES, ALL.signed(BATCH, quotes=False), [(code(BATCH), forged)]) == set()


def test_AP1_a_row_that_stands_twice_cannot_slip_past_an_exception() -> None:
    twice = replace(BATCH, rows=(*BATCH.rows, replace(BATCH.rows[0], index=6)))
    said = Said("承認", None, ((1, 1),))
    assert approved(CASES, said.signed(twice), [(code(twice), twice)]) == set()


@given(st.data())
def test_AP1_no_change_of_one_row_makes_a_batch_approve_what_it_does_not_show(data: st.DataObject) -> None:
    found, batch = data.draw(batches())
    at = data.draw(st.integers(0, len(batch.rows) - 1))
    numbers = [case.sheet.number for case in found]
    change = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "number": st.sampled_from(numbers),
                "seq": st.integers(1, 5),
                "digest": st.just(hashlib.sha256(b"forged").hexdigest()),
                "name": st.just("CN=forged.example.ac.jp"),
                "index": st.integers(1, 20),
            },
        )
    )
    forged = _row(batch, at, **change)
    shown = {(row.number, row.seq, row.digest, row.name) for row in forged.rows}
    for said in (ALL, Said("失効承認", None, ())):
        for case in found:
            for seq in approved_rows(case, said.signed(forged), [(code(forged), forged)]):
                row = next(row for row in case.sheet.rows if row.seq == seq)
                assert (case.sheet.number, seq, row.digest, row.name) in shown


def test_the_file_itself_under_an_approving_line_approves_all_rows() -> None:
    (case, *_) = CASES
    files = frozenset({case.sheet.file_sha256})
    assert approved_rows(case, SignedText("申請承認 発行", files), []) == {1, 2}
    assert approved_rows(case, SignedText("申請承認 失効", files), []) == set()
    assert approved_rows(case, SignedText("申請 発行", files), []) == set()
    assert approved_rows(case, SignedText("申請承認 発行", frozenset()), []) == set()
