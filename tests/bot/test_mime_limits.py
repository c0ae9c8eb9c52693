"""Mails that would cost too much are refused on their raw bytes (threats DOS1); what keeps the limits is read.

Not timed: what these refuse would take seconds to minutes, or end in a RecursionError, if it were read.
"""

import pytest

from bot.mime import limits as mime_limits
from bot.mime.signed import find_signed
from handlers.rules.reasons import Reason
from tests.bot.mail_building import HEADER, TEXT_PART, multipart, read, sample

FROM = b"From: a@example.ac.jp\r\nSubject: x\r\n"


def nested(depth: int) -> bytes:
    """A mail of `depth` multiparts around one text."""
    part = TEXT_PART
    for level in range(depth):
        part = multipart(b"mixed", b"level%d" % level, part)
    return HEADER + part


def with_parts(count: int) -> bytes:
    return HEADER + multipart(b"mixed", b"m", *[TEXT_PART] * count)


def test_DOS1_the_limits_are_those_of_the_threat_table() -> None:
    assert (mime_limits.MAIL_BYTES, mime_limits.HEADER_BYTES, mime_limits.HEADER_LINES) == (
        5 * 2**20,
        2**16,
        300,
    )
    assert (mime_limits.FIELD_BYTES, mime_limits.DEPTH, mime_limits.PARTS) == (2**13, 10, 50)
    assert (mime_limits.ENCODED_WORDS, mime_limits.PARAMETERS) == (100, 20)


@pytest.mark.parametrize(
    ("allowed", "refused", "reason"),
    [
        (nested(9), nested(10), Reason.TOO_COMPLEX),
        (with_parts(50), with_parts(51), Reason.TOO_COMPLEX),
        (
            HEADER + b"\r\n" + b"x" * (5 * 2**20 - len(HEADER) - 2),
            HEADER + b"\r\n" + b"x" * (5 * 2**20 - len(HEADER) - 1),
            Reason.TOO_LARGE,
        ),
        (FROM + b"X: a\r\n" * 297 + b"\r\nx", FROM + b"X: a\r\n" * 298 + b"\r\nx", Reason.HEADER_TOO_LARGE),
        (
            FROM + b"X: a\r\n b\r\n" * 148 + b"\r\nx",
            FROM + b"X: a\r\n b\r\n" * 149 + b"\r\nx",
            Reason.HEADER_TOO_LARGE,
        ),
        (
            FROM + b"X: " + b"a" * (2**13 - 3) + b"\r\n\r\nx",
            FROM + b"X: " + b"a" * (2**13 - 2) + b"\r\n\r\nx",
            Reason.HEADER_TOO_LARGE,
        ),
        (
            FROM + (b"X: " + b"a" * 7195 + b"\r\n") * 9 + b"\r\nx",
            FROM + (b"X: " + b"a" * 7295 + b"\r\n") * 9 + b"\r\nx",
            Reason.HEADER_TOO_LARGE,
        ),
        (
            FROM + b"X: " + b"=?utf-8?q?a?= " * 100 + b"\r\n\r\nx",
            FROM + b"X: " + b"=?utf-8?q?a?= " * 101 + b"\r\n\r\nx",
            Reason.TOO_COMPLEX,
        ),
        (
            FROM + b"Content-Type: text/plain" + b"".join(b"; p%d=v" % n for n in range(20)) + b"\r\n\r\nx",
            FROM + b"Content-Type: text/plain" + b"".join(b"; p%d=v" % n for n in range(21)) + b"\r\n\r\nx",
            Reason.TOO_COMPLEX,
        ),
        (
            FROM + b"Content-Disposition: inline" + b";" * 20 + b"\r\n\r\nx",
            FROM + b"Content-Disposition: inline" + b";" * 21 + b"\r\n\r\nx",
            Reason.TOO_COMPLEX,
        ),
    ],
    ids=[
        "depth",
        "parts",
        "size",
        "lines",
        "folds",
        "header",
        "block",
        "words",
        "parameters",
        "empty parameters",
    ],
)
def test_DOS1_a_mail_at_a_limit_is_read_and_one_over_it_is_refused(
    allowed: bytes, refused: bytes, reason: Reason
) -> None:
    assert read(allowed).fault is None
    assert read(refused).fault is reason
    assert find_signed(refused) is reason


@pytest.mark.parametrize(
    "header",
    [
        b"X: " + b"a" * 9000,
        b"X: a\r\n" * 400,
        b"Subject: " + b"=?utf-8?q?a?= " * 150,
        b"Content-Type: a/b" + b"; x=y" * 30,
    ],
    ids=["header", "lines", "words", "parameters"],
)
def test_DOS1_the_header_of_a_part_has_the_same_limits(header: bytes) -> None:
    part = header + b"\r\n\r\ntext"
    assert read(HEADER + multipart(b"mixed", b"m", TEXT_PART, part)).fault in (
        Reason.HEADER_TOO_LARGE,
        Reason.TOO_COMPLEX,
    )


def test_DOS1_a_thousand_levels_in_60_kb_are_refused() -> None:
    deep = FROM + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1000)
    )
    assert len(deep) > 50_000
    assert read(deep).fault is Reason.TOO_COMPLEX


def test_DOS1_levels_inside_a_forwarded_mail_cost_nothing() -> None:
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" * 2000 + nested(30)
    mail = read(HEADER + multipart(b"mixed", b"m", TEXT_PART, forwarded))
    assert (mail.fault, mail.text, len(mail.attachments)) == (None, "APPROVE\n", 1)


def test_DOS1_a_megabyte_of_parameters_or_of_subject_is_refused() -> None:
    assert (
        read(FROM + b"Content-Type: text/plain" + b"; a=b" * 50_000 + b"\r\n\r\nx").fault
        is Reason.HEADER_TOO_LARGE
    )
    assert read(b"Subject: " + b"a\r\n " * 2**20 + b"\r\n" + FROM + b"\r\nx").fault is Reason.HEADER_TOO_LARGE


def test_DOS1_a_megabyte_of_boundary_lines_is_refused() -> None:
    raw = FROM + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 200_000 + b"--b--\r\n"
    assert read(raw).fault is Reason.TOO_COMPLEX


def test_DOS1_a_refused_mail_still_says_who_sent_it_and_what() -> None:
    mail = read(FROM + b"X: " + b"a" * 9000 + b"\r\nTo: desk+issue@example.ac.jp\r\n\r\nx")
    assert (mail.sender, mail.subject, mail.to_detail) == ("a@example.ac.jp", "x", "issue")
    assert (mail.text, mail.attachments) == ("", ())


def test_DOS1_a_header_over_the_limit_is_not_read_even_to_name_the_mail() -> None:
    mail = read(b"Subject: " + b"a" * 9000 + b"\r\nFrom: a@example.ac.jp\r\n\r\nx")
    assert (mail.fault, mail.sender, mail.subject) == (Reason.HEADER_TOO_LARGE, "a@example.ac.jp", "")


def test_DOS1_headers_after_the_last_allowed_line_are_not_read() -> None:
    mail = read(b"Subject: x\r\n" + b"X: a\r\n" * 350 + b"From: a@example.ac.jp\r\n\r\nx")
    assert (mail.fault, mail.sender, mail.subject) == (Reason.HEADER_TOO_LARGE, None, "x")


def test_DOS1_of_a_header_without_an_end_only_whole_headers_are_read() -> None:
    filler = b"X: " + b"a" * 5000 + b"\r\n"
    mail = read(filler * 13 + b"From: officer@example.ac.jp.evil.example.jp" + filler * 10)
    assert (mail.fault, mail.sender) == (Reason.HEADER_TOO_LARGE, None)


def test_DOS1_only_the_beginning_of_an_endless_text_is_read() -> None:
    mail = read(HEADER + b"\r\n" + b"x\n" * 2**20)
    assert len(mail.text) == mime_limits.TEXT_BYTES


def test_DOS1_no_sample_comes_near_a_limit() -> None:
    assert read(sample("0001")).fault is None
