"""Signed mails that are refused for what stands in them twice, encrypted, or as a signature (SM6-SM8, PGP6)."""

import base64

import pytest

from bot.mime.signed import find_signed
from handlers.rules.reasons import Reason
from tests.bot.mail_building import (
    ARMOR,
    FOOTER,
    HEADER,
    TEXT_PART,
    entity_of,
    multipart,
    opaque,
    read,
    signature_part,
    signed,
    signed_mail,
)


def test_SM6_without_a_signature_there_is_none() -> None:
    for raw in (
        HEADER + TEXT_PART,
        HEADER + multipart(b"mixed", b"m", TEXT_PART),
        b"",
        HEADER + b"\r\nPGP SIGNATURE",
    ):
        mail = read(raw)
        assert find_signed(raw) is None
        assert (mail.signature_fault, mail.signature_scheme, mail.signature) == (None, None, None)


@pytest.mark.parametrize(
    "duplicate",
    [b"From: officer@example.ac.jp", b"To: x@example.jp", b"Subject: y", b"Content-Transfer-Encoding: 7bit\r\n"
     b"Content-Transfer-Encoding: 8bit", b"Content-Type: text/plain", b"MIME-Version: 1.0"],
)  # fmt: skip
def test_SM7_a_signed_mail_with_a_header_twice_is_refused(duplicate: bytes) -> None:
    inside = duplicate if b"Content" in duplicate else duplicate + b"\r\n" + duplicate
    for raw in (HEADER + duplicate + b"\r\n" + signed(), signed_mail(inside + b"\r\n" + TEXT_PART)):
        if b"Content-Type: text/plain\r\nContent-Type: multipart" not in raw:
            assert find_signed(raw) is Reason.DUPLICATE_HEADER
        assert read(raw).fault is Reason.DUPLICATE_HEADER


def test_SM7_a_content_type_parameter_twice_is_refused() -> None:
    assert (
        find_signed(signed_mail().replace(b"; protocol", b"; boundary=x; protocol"))
        is Reason.DUPLICATE_HEADER
    )
    twice = TEXT_PART.replace(b"utf-8", b"utf-8; charset=us-ascii")
    assert find_signed(signed_mail(twice)) is Reason.DUPLICATE_HEADER


@pytest.mark.parametrize(
    "entity",
    [
        multipart(b"encrypted", b"e", b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1", FOOTER),
        multipart(b"mixed", b"m", b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1", FOOTER),
        multipart(b"mixed", b"m", TEXT_PART, opaque(b"; smime-type=enveloped-data")),
        opaque(b"; smime-type=Enveloped-Data"),
        opaque(b"; smime-type=authEnveloped-data", b"application/x-pkcs7-mime"),
        b"\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n-----END PGP MESSAGE-----\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(b"x\n-----BEGIN PGP MESSAGE-----\n"),
    ],
    ids=["openpgp", "mangled by exchange", "part", "smime", "smime gcm", "inline", "inline in base64"],
)
def test_SM8_an_encrypted_mail_is_refused_unopened(entity: bytes) -> None:
    mail = read(HEADER + entity)
    assert find_signed(HEADER + entity) is Reason.ENCRYPTED
    assert (mail.signature_fault, mail.text, mail.attachments) == (Reason.ENCRYPTED, "", ())


@pytest.mark.parametrize(
    "armor",
    [
        b"",
        b"\xc2\x5e\x04\x00",
        ARMOR + ARMOR,
        ARMOR + b"text\r\n",
        b"text\r\n" + ARMOR,
        ARMOR.replace(b"SIGNATURE", b"MESSAGE"),
        ARMOR.removesuffix(b"-----END PGP SIGNATURE-----\r\n"),
        ARMOR.replace(b"\r\n\r\n", b"\r\n", 1),
        ARMOR.replace(b"=AAAA", b"=AAAA!"),
        ARMOR.replace(b"iHUE", b"iHUE" * 20_000),
    ],
    ids=[
        "empty",
        "binary",
        "two",
        "text after",
        "text before",
        "message",
        "cut",
        "no blank line",
        "junk",
        "huge",
    ],
)
def test_PGP6_the_signature_part_is_one_armored_block(armor: bytes) -> None:
    assert find_signed(signed_mail(armor=armor)) is Reason.SIGNATURE_BLOCK
    assert read(signed_mail(armor=armor)).signature_fault is Reason.SIGNATURE_BLOCK


@pytest.mark.parametrize(
    "armor",
    [
        ARMOR,
        b"\r\n" + ARMOR + b"\r\n \r\n",
        ARMOR.replace(b"\r\n", b"\n"),
        ARMOR.replace(b"\r\n\r\n", b"\r\nVersion: GnuPG v2\r\nComment: x\r\n\r\n", 1),
        ARMOR.replace(b"-----\r\n", b"----- \r\n"),
    ],
)
def test_PGP6_an_armored_block_may_have_headers_and_blank_lines_around_it(armor: bytes) -> None:
    assert entity_of(signed_mail(armor=armor)).signature == armor


def test_PGP6_a_signature_part_may_be_transfer_encoded() -> None:
    part = signature_part(base64.encodebytes(ARMOR)).replace(
        b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1
    )
    raw = HEADER + multipart(
        b"signed", b"s", TEXT_PART, part, parameters=b"; protocol=application/pgp-signature"
    )
    assert entity_of(raw).signature == ARMOR
