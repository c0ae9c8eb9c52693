"""The verdict on gpg's status lines, line by line; real statuses are judged in test_openpgp."""

from datetime import UTC, datetime

import pytest

from bot.openpgp.status import STRONG_DIGESTS, ValidSignature, judge, refuse_signature
from handlers.rules.reasons import Reason

PRIMARY, SUBKEY = "A" * 40, "C" * 40
SIGNED_AT = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
SECONDS = int(SIGNED_AT.timestamp())
NEWSIG = b"[GNUPG:] NEWSIG\n"
GOODSIG = b"[GNUPG:] GOODSIG CCCCCCCCCCCCCCCC x\n"
VALIDSIG = f"[GNUPG:] VALIDSIG {SUBKEY} 2026-11-22 {SECONDS} 0 4 0 22 8 00 {PRIMARY}\n".encode()
GOOD = NEWSIG + GOODSIG + VALIDSIG + b"[GNUPG:] TRUST_UNDEFINED 0 pgp\n"
PLAINTEXT = b"[GNUPG:] PLAINTEXT 74 0 \n"


def test_PGP2_the_one_set_of_lines_that_is_accepted() -> None:
    assert judge(0, GOOD) == ValidSignature(PRIMARY, SIGNED_AT, digest=8, signature_class=0)


def test_PGP2_only_exit_code_0_is_accepted() -> None:
    assert judge(1, GOOD) is Reason.UNVERIFIABLE
    assert judge(2, GOOD) is Reason.UNVERIFIABLE


@pytest.mark.parametrize("line", [NEWSIG, GOODSIG, VALIDSIG])
def test_PGP2_each_line_must_stand_exactly_once(line: bytes) -> None:
    assert judge(0, GOOD.replace(line, b"")) is Reason.UNVERIFIABLE
    assert isinstance(judge(0, GOOD + line), Reason)
    assert isinstance(judge(0, line + GOOD), Reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("BADSIG CCCC x", Reason.SEVERAL_SIGNATURES),
        ("ERRSIG CCCC 22 8 00 1 9 CCCC", Reason.SEVERAL_SIGNATURES),
        ("EXPSIG CCCC x", Reason.SEVERAL_SIGNATURES),
        ("EXPKEYSIG CCCC x", Reason.SEVERAL_SIGNATURES),
        ("REVKEYSIG CCCC x", Reason.SEVERAL_SIGNATURES),
        ("NO_PUBKEY CCCC", Reason.UNKNOWN_KEY),
        ("NODATA 4", Reason.SIGNATURE_BLOCK),
        ("UNEXPECTED 0", Reason.SIGNATURE_BLOCK),
        ("PLAINTEXT 74 0 ", Reason.SIGNATURE_BLOCK),
        ("FAILURE gpg-exit 33554433", Reason.UNVERIFIABLE),
        ("ERROR verify 1", Reason.UNVERIFIABLE),
    ],
)
def test_PGP2_each_of_these_lines_beside_a_good_signature_refuses_it(line: str, reason: Reason) -> None:
    row = f"[GNUPG:] {line}\n".encode()
    assert judge(0, GOOD + row) is reason
    assert judge(0, row + GOOD) is reason


@pytest.mark.parametrize(
    "line",
    ["KEYEXPIRED 1580428800", "KEY_CONSIDERED C 0", "NOTATION_NAME a@b", "SIG_ID x", "NEW_WORD BADSIG"],
)
def test_PGP2_other_lines_mean_nothing(line: str) -> None:
    assert isinstance(judge(0, f"[GNUPG:] {line}\n".encode() + GOOD), ValidSignature)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("REVKEYSIG CCCC x", Reason.REVOKED_KEY),
        ("EXPKEYSIG CCCC x", Reason.EXPIRED_KEY),
        ("EXPSIG CCCC x", Reason.EXPIRED_SIGNATURE),
        ("BADSIG CCCC x", Reason.BAD_SIGNATURE),
        ("ERRSIG CCCC 22 2 00 1 5 CCCC", Reason.WEAK_DIGEST),
        ("ERRSIG CCCC 22 8 10 1 32 CCCC", Reason.SIGNATURE_CLASS),
        ("ERRSIG CCCC 99 8 00 1 4 CCCC", Reason.UNVERIFIABLE),
        ("ERRSIG", Reason.UNVERIFIABLE),
    ],
)
def test_PGP2_how_a_signature_ended_gives_the_reason(line: str, reason: Reason) -> None:
    # with VALIDSIG and exit code 0, as gpg has it for expired and revoked keys
    assert judge(0, NEWSIG + f"[GNUPG:] {line}\n".encode() + VALIDSIG) is reason


def test_PGP2_a_second_signature_is_named_as_the_reason() -> None:
    assert judge(0, GOOD + NEWSIG) is Reason.SEVERAL_SIGNATURES


def test_PGP2_nothing_said_is_not_accepted() -> None:
    assert judge(0, b"") is Reason.UNVERIFIABLE


def test_PGP7_one_plaintext_line_belongs_to_a_clearsigned_block() -> None:
    assert isinstance(judge(0, PLAINTEXT + GOOD, clearsigned=True), ValidSignature)
    assert judge(0, PLAINTEXT + PLAINTEXT + GOOD, clearsigned=True) is Reason.SIGNATURE_BLOCK


def test_PGP1_a_line_ends_at_a_line_feed_only() -> None:
    for end in ("\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"):
        hostile = GOODSIG[:-1] + f"{end}[GNUPG:] BADSIG x{end}{VALIDSIG.decode()}".encode()
        assert isinstance(judge(0, GOOD.replace(GOODSIG, hostile)), ValidSignature)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f" {PRIMARY}", ""),
        (f"{PRIMARY}\n", f"{PRIMARY} more\n"),
        (" 8 00", " eight 00"),
        (" 8 00", " 8 xx"),
        (f" {SECONDS} ", " 99999999999999999999 "),
        (f" {SECONDS} ", " 359096403590964000 "),
        (f" {SECONDS} ", "  "),
        (PRIMARY, "内" * 40),
    ],
)
def test_PGP2_a_line_of_another_form_is_unverifiable(old: str, new: str) -> None:
    assert judge(0, GOOD.replace(old.encode(), new.encode())) is Reason.UNVERIFIABLE


def test_a_time_may_be_written_in_either_of_gpgs_forms() -> None:
    verdict = judge(0, GOOD.replace(str(SECONDS).encode(), b"20261122T101500"))
    assert isinstance(verdict, ValidSignature)
    assert verdict.signed_at == SIGNED_AT


def test_PGP3_a_key_that_is_not_pinned_is_unknown_though_the_ring_knows_it() -> None:
    signature = ValidSignature(PRIMARY, SIGNED_AT, 8, 0)
    assert refuse_signature(signature, {PRIMARY}, SIGNED_AT) is None
    assert refuse_signature(signature, {SUBKEY}, SIGNED_AT) is Reason.UNKNOWN_KEY
    # the same long key id
    assert refuse_signature(signature, {"B" * 24 + PRIMARY[24:]}, SIGNED_AT) is Reason.UNKNOWN_KEY


def test_PGP4_the_digests_and_classes_that_are_taken() -> None:
    assert frozenset({8, 9, 10, 11, 12, 14}) == STRONG_DIGESTS
    for digest in range(256):
        verdict = refuse_signature(ValidSignature(PRIMARY, SIGNED_AT, digest, 0), {PRIMARY}, SIGNED_AT)
        assert verdict is (None if digest in STRONG_DIGESTS else Reason.WEAK_DIGEST)
    for kind in range(256):
        verdict = refuse_signature(ValidSignature(PRIMARY, SIGNED_AT, 8, kind), {PRIMARY}, SIGNED_AT)
        assert verdict is (None if kind in (0, 1) else Reason.SIGNATURE_CLASS)
