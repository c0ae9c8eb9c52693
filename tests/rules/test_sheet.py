"""The sheet and its code."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.register import Policy
from handlers.rules.sheet import Sheet, SheetFault, SheetRow, code_of, parse_sheet, policy_digest, show_code
from store.states import Kind

SHEET = Sheet(
    instance="ringi.example.ac.jp",
    number="A-20261122-0007",
    institution="testkikan",
    kind=Kind.ISSUE,
    file_sha256="1" * 64,
    rows=(SheetRow(1, "2" * 64, "CN=test1.example.ac.jp"), SheetRow(3, "3" * 64, "CN=test2.example.ac.jp")),
    policy="one-officer",
    policy_sha256="4" * 64,
    register_sha256="5" * 64,
    journal_head="6" * 64,
    nonce="7" * 32,
)


def test_a_sheet_survives_rendering() -> None:
    assert parse_sheet(SHEET.render()) == SHEET


def test_the_code_is_what_sha256sum_prints() -> None:
    assert hashlib.sha256(SHEET.render()).hexdigest().startswith(code_of(SHEET.render()))
    assert show_code(code_of(SHEET.render())).count("-") == 3


def test_every_single_byte_counts() -> None:
    data = SHEET.render()
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert code_of(changed) != code_of(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"Extra: 1\n",
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"Rows: 2", b"Rows: 3"),
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data.replace(b"Kind: issue", b"Kind: gift"),
        lambda data: b"\xff" + data,
    ],
)
def test_what_is_not_exactly_a_sheet_is_refused(change) -> None:
    with pytest.raises(SheetFault):
        parse_sheet(change(SHEET.render()))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_sheet_or_refused(data: bytes) -> None:
    with pytest.raises(SheetFault):
        parse_sheet(data)


def test_a_changed_checklist_is_another_policy() -> None:
    assert policy_digest(Policy()) != policy_digest(Policy(checklist=("something else",)))
