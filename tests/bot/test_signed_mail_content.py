"""What is read inside a signature: one text, strictly, and the attachments (threats SM4, SM5, SM7-SM9, ID2)."""

import hashlib

import pytest

from bot.mime.limits import SIGNED_TEXT_BYTES
from bot.mime.signed import SignedEntity, read_signed_content
from handlers.incoming import Attachment, Scheme, SignedContent
from handlers.rules.reasons import Reason
from tests.bot.mail_building import TEXT_PART, content_of, multipart, signature_part, signed, text_of

HTML = b"Content-Type: text/html\r\n\r\n<p>APPROVE</p>"
KEY_PART = b"Content-Type: application/pgp-keys; name=key.asc\r\n\r\nkey"
IMAGE = b"Content-Type: image/png\r\nContent-ID: <1>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw=="
FORWARDED = (
    b"Content-Type: message/rfc822\r\n\r\nFrom: a@example.jp\r\nContent-Type: text/plain\r\n\r\nAPPROVE"
)


def mixed(*parts: bytes, level: int = 0) -> bytes:
    return multipart(b"mixed", b"level%d" % level, *parts)


@pytest.mark.parametrize(
    "part",
    [
        TEXT_PART,
        mixed(TEXT_PART, KEY_PART),
        multipart(b"alternative", b"a", TEXT_PART, HTML),
        multipart(b"alternative", b"a", TEXT_PART, multipart(b"related", b"r", HTML, IMAGE)),
        multipart(b"related", b"r", multipart(b"alternative", b"a", TEXT_PART, HTML), IMAGE),
        mixed(mixed(mixed(TEXT_PART, level=2), level=1), KEY_PART),
        mixed(TEXT_PART, FORWARDED),
        mixed(TEXT_PART, mixed(mixed(mixed(KEY_PART, level=4), level=3), level=2)),
    ],
    ids=["plain", "mixed", "alternative", "apple", "outlook", "three deep", "forwarded after", "deep after"],
)
def test_SM4_the_first_leaf_is_the_text(part: bytes) -> None:
    assert text_of(part) in ("APPROVE\n", "APPROVE")


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (HTML, Reason.HTML_ONLY),
        (multipart(b"alternative", b"a", HTML, TEXT_PART), Reason.HTML_ONLY),
        (mixed(multipart(b"related", b"r", HTML, IMAGE), TEXT_PART), Reason.HTML_ONLY),
        (mixed(mixed(mixed(mixed(TEXT_PART, level=3), level=2), level=1)), Reason.NO_TEXT),
        (mixed(FORWARDED, TEXT_PART), Reason.NO_TEXT),
        (FORWARDED, Reason.NO_TEXT),
        (mixed(IMAGE, TEXT_PART), Reason.NO_TEXT),
        (multipart(b"digest", b"d", TEXT_PART), Reason.NO_TEXT),
        (multipart(b"report", b"d", TEXT_PART), Reason.NO_TEXT),
        (TEXT_PART.replace(b"utf-8", b"utf-8; name=decision.txt"), Reason.NO_TEXT),
        (b"Content-Disposition: attachment\r\n" + TEXT_PART, Reason.NO_TEXT),
        (TEXT_PART.replace(b"text/plain", b"text/enriched"), Reason.NO_TEXT),
        (TEXT_PART.replace(b"text/plain", b"text"), Reason.NO_TEXT),
    ],
    ids=["html", "html first", "related", "four deep", "forwarded", "forwarded only", "image", "digest", "report",
         "named", "attached", "enriched", "odd type"],
)  # fmt: skip
def test_SM4_another_first_leaf_is_no_text(part: bytes, reason: Reason) -> None:
    content = content_of(part)
    assert isinstance(content, SignedContent)
    assert (content.text, content.text_fault) == (None, reason)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (signed(boundary=b"inner"), Reason.NESTED_SIGNATURE),
        (mixed(TEXT_PART, signed(boundary=b"inner")), Reason.NESTED_SIGNATURE),
        (mixed(TEXT_PART, signature_part()), Reason.NESTED_SIGNATURE),
        (
            mixed(TEXT_PART, b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nx"),
            Reason.NESTED_SIGNATURE,
        ),
        (TEXT_PART + b"-----BEGIN PGP SIGNED MESSAGE-----\r\n", Reason.NESTED_SIGNATURE),
        (TEXT_PART + b"-----BEGIN PGP MESSAGE-----\r\n", Reason.ENCRYPTED),
        (multipart(b"encrypted", b"e", KEY_PART, IMAGE), Reason.ENCRYPTED),
        (
            mixed(TEXT_PART, b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nx"),
            Reason.ENCRYPTED,
        ),
    ],
)
def test_SM4_a_second_layer_is_refused(part: bytes, reason: Reason) -> None:
    assert content_of(part) is reason


def test_SM4_a_quoted_block_and_a_forwarded_signed_mail_are_no_second_layer() -> None:
    assert text_of(TEXT_PART + b"> -----BEGIN PGP SIGNED MESSAGE-----\r\n> x\r\n") != Reason.NESTED_SIGNATURE
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + signed(boundary=b"inner")
    content = content_of(mixed(TEXT_PART, forwarded))
    assert isinstance(content, SignedContent)
    assert [a.content_type for a in content.attachments] == ["message/rfc822"]


@pytest.mark.parametrize(
    "part",
    [
        b"\r\nAPPROVE\r\n",
        b"APPROVE\r\n",
        b"",
        b"tree 0123\nparent 4567\nauthor X <x@example.jp> 1 +0900\n\nAPPROVE\n",
        b"Subject: x\r\n\r\nAPPROVE\r\n",
        b"X-Content-Type: text/plain\r\n\r\nAPPROVE\r\n",
    ],
    ids=["no header", "no mime", "empty", "git commit", "other header", "other name"],
)
def test_SM5_what_was_signed_as_something_else_is_refused(part: bytes) -> None:
    assert content_of(part) is Reason.BROKEN_SIGNED_MAIL


@pytest.mark.parametrize(
    "part",
    [
        mixed(TEXT_PART).removesuffix(b"--level0--\r\n"),
        b"no header\r\n" + TEXT_PART,
        multipart(b"mixed", b"m"),
        mixed(TEXT_PART, mixed(TEXT_PART, level=1).replace(b"--level1--", b"")),
        mixed(TEXT_PART, IMAGE.replace(b"==", b"=")),
        mixed(TEXT_PART, IMAGE.replace(b"base64", b"base65")),
    ],
    ids=["never closed", "junk line", "no part", "broken part", "bad base64", "odd encoding"],
)
def test_SM4_broken_structure_inside_a_signature_is_refused(part: bytes) -> None:
    assert content_of(part) is Reason.BROKEN_SIGNED_MAIL


def test_SM7_headers_that_stand_twice_in_a_content_from_inside_a_structure_are_refused() -> None:
    # opaque S/MIME: these bytes were in no mail that `find_signed` looked into
    entity = SignedEntity(Scheme.SMIME, False, b"Subject: a\r\nSubject: b\r\n" + TEXT_PART, b"")
    assert read_signed_content(entity) is Reason.DUPLICATE_HEADER


def test_SM9_a_text_that_breaks_its_transfer_encoding_is_refused() -> None:
    assert text_of(b"Content-Transfer-Encoding: base64\r\n" + TEXT_PART + b"!") is Reason.BROKEN_SIGNED_MAIL


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        (b"utf-8", "承認します\r\n".encode(), "承認します\n"),
        (b"iso-2022-jp", b"\x1b$B>5G'-!\x1b(B\r\n", "承認①\n"),
        (b"Shift_JIS", "承認①\r\n".encode("cp932"), "承認①\n"),
        (b"us-ascii", b"APPROVE\r\n", "APPROVE\n"),
        (b"us-ascii", "承認".encode(), Reason.BAD_CHARSET),
        (b"utf-8", "承認".encode("cp932"), Reason.BAD_CHARSET),
        (b"unicode_escape", b"\\u627f\\u8a8d", Reason.BAD_CHARSET),
        (b"utf-7", b"+Yn+KjQ-", Reason.BAD_CHARSET),
        (b"utf-16", b"A P", Reason.BAD_CHARSET),
        (b"utf-8", b"APPROVE\x0b\r\n", Reason.CONTROL_CHARACTER),
        (b"utf-8", "APPROVE\u2028x".encode(), Reason.CONTROL_CHARACTER),
        (b"utf-8", b"\x1b[2KAPPROVE", Reason.CONTROL_CHARACTER),
        (b"iso-8859-1", b"\x85APPROVE", Reason.CONTROL_CHARACTER),
    ],
)
def test_SM9_the_text_is_decoded_strictly(charset: bytes, octets: bytes, text: str | Reason) -> None:
    assert text_of(b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\n" + octets) == text


def test_SM9_without_a_charset_text_is_ascii() -> None:
    assert text_of(b"Content-Type: text/plain\r\n\r\nAPPROVE") == "APPROVE"
    assert text_of(b"Content-Type: text/plain\r\n\r\n" + "承認".encode()) is Reason.BAD_CHARSET


def test_SM3_control_characters_that_an_encoding_hides_are_refused() -> None:
    for hidden in (b"=00", b"=0D", b"=0B"):
        part = b"Content-Transfer-Encoding: quoted-printable\r\n" + TEXT_PART + hidden + b"x\r\n"
        assert text_of(part) is Reason.CONTROL_CHARACTER


def test_flowed_text_inside_a_signature_is_unflowed() -> None:
    part = (
        b"Content-Type: text/plain; charset=utf-8; format=Flowed; DelSp=Yes\r\n\r\n"
        + "承 \r\n認\r\n".encode()
    )
    assert text_of(part) == "承認\n"
    assert text_of(part.replace(b"Flowed", b"fixed")) == "承 \n認\n"


def test_DOS1_a_text_over_its_limit_is_refused() -> None:
    head = b"Content-Type: text/plain\r\n\r\n"
    assert text_of(head + b"x" * SIGNED_TEXT_BYTES) == "x" * SIGNED_TEXT_BYTES
    assert text_of(head + b"x" * (SIGNED_TEXT_BYTES + 1)) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (b"From: Officer <Officer@example.ac.jp>\r\n", "officer@example.ac.jp"),
        (b'From: =?utf-8?Q?=E5=86=85?= "a@x.jp" <b@y.jp>\r\n', "b@y.jp"),
        (b"Subject: x\r\n", None),
    ],
)
def test_ID2_the_from_inside_the_signature_is_told(header: bytes, sender: str | None) -> None:
    for part in (header + TEXT_PART, header + mixed(TEXT_PART).replace(b"boundary", b'hp="clear"; boundary')):
        content = content_of(part)
        assert isinstance(content, SignedContent)
        assert content.sender == sender


def test_ID2_a_from_of_an_inner_part_is_not_the_signed_one() -> None:
    content = content_of(mixed(b"From: evil@y.jp\r\n" + TEXT_PART))
    assert isinstance(content, SignedContent)
    assert content.sender is None


def test_ID2_a_from_inside_the_signature_that_is_not_one_mailbox_is_refused() -> None:
    assert content_of(b"From: officer@x.jp <evil@y.jp>\r\n" + TEXT_PART) is Reason.BAD_FROM
    assert content_of(b"From: \r\n" + TEXT_PART) is Reason.BAD_FROM


def test_SM2_the_content_names_its_bytes_by_their_digest() -> None:
    content = content_of(TEXT_PART)
    assert isinstance(content, SignedContent)
    assert content.signed_bytes == TEXT_PART
    assert content.signed_sha256 == hashlib.sha256(TEXT_PART).hexdigest()


def test_attachments_inside_a_signature_are_decoded() -> None:
    tsv = b"Content-Type: text/plain; name=a.tsv\r\nContent-Transfer-Encoding: base64\r\n\r\nYQli\r\n"
    content = content_of(mixed(multipart(b"alternative", b"x", TEXT_PART, HTML), tsv, IMAGE, KEY_PART))
    assert isinstance(content, SignedContent)
    assert content.attachments == (
        Attachment("a.tsv", "text/plain", b"a\tb"),
        Attachment("", "image/png", b"\x89PNG"),
        Attachment("key.asc", "application/pgp-keys", b"key"),
    )


def test_attachments_are_read_even_where_the_text_is_not() -> None:
    content = content_of(mixed(HTML, KEY_PART))
    assert isinstance(content, SignedContent)
    assert (content.text_fault, [a.name for a in content.attachments]) == (Reason.HTML_ONLY, ["key.asc"])
