"""The parsers of hostile bytes: no unexpected exception, no accept. Seconds here; `python -m tests.fuzz` for hours."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import parsers
from tests.fuzz.seeds import BATCH, CLEARSIGNED, MAIL, SHEET, SIGNATURE, STATUS, TEXT

_SETTINGS = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def spoiled(draw: st.DrawFn, *seeds: bytes) -> bytes:
    """A seed with pieces cut, doubled, moved, changed; or any bytes."""
    data = bytearray(draw(st.sampled_from(seeds) | st.binary(max_size=400)))
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + draw(st.sampled_from((1, 4, 40, 4000))))))
        piece = bytes(data[start:end])
        change = draw(st.sampled_from(("cut", "double", "move", "set", "insert", "line")))
        if change == "cut":
            del data[start:end]
        elif change == "double":
            data[end:end] = piece
        elif change == "move":
            del data[start:end]
            place = draw(st.integers(0, len(data)))
            data[place:place] = piece
        elif change == "set" and start < len(data):
            data[start] = draw(st.integers(0, 255))
        elif change == "insert":
            data[start:start] = draw(st.binary(max_size=8))
        else:
            line = draw(st.sampled_from(_lines(seeds)))
            data[start:start] = line
    return bytes(data)


def _lines(seeds: Sequence[bytes]) -> list[bytes]:
    return [line for seed in seeds for line in seed.splitlines(keepends=True)] or [b"\n"]


@_SETTINGS
@given(spoiled(MAIL))
def test_mime(data: bytes) -> None:
    parsers.fuzz_mime(data)


@_SETTINGS
@given(st.data())
def test_cms(data: st.DataObject) -> None:
    parsers.fuzz_cms(data.draw(spoiled(*parsers.genuine())))


@_SETTINGS
@given(spoiled(SIGNATURE, CLEARSIGNED))
def test_armor(data: bytes) -> None:
    parsers.fuzz_armor(data)


@_SETTINGS
@given(spoiled(STATUS))
def test_openpgp_status(data: bytes) -> None:
    parsers.fuzz_status(data)


@_SETTINGS
@given(spoiled(SHEET, BATCH))
def test_sheet(data: bytes) -> None:
    parsers.fuzz_sheet(data)


@_SETTINGS
@given(spoiled(TEXT))
def test_decision(data: bytes) -> None:
    parsers.fuzz_decision(data)


@pytest.mark.parametrize("seed", [SHEET, BATCH])
def test_the_seeds_are_good(seed: bytes) -> None:
    """Else nothing above would come near an accept."""
    parsers.fuzz_sheet(seed)
    assert seed.startswith(b"Ringi-")
