"""Which mails are signed as a whole, and over which bytes (threats SM1-SM3)."""

import base64

import pytest

from bot.mime.signed import SignedEntity, find_signed
from handlers.incoming import Scheme
from handlers.rules.reasons import Reason
from tests.bot.mail_building import (
    ARMOR,
    CMS,
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

PKCS7 = b"application/pkcs7-signature"


def smime(protocol: bytes = PKCS7, part_type: bytes = PKCS7, body: bytes = base64.encodebytes(CMS)) -> bytes:
    signature = (
        b"Content-Type: "
        + part_type
        + b"; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + body
    )
    return HEADER + multipart(b"signed", b"s", TEXT_PART, signature, parameters=b"; protocol=" + protocol)


def test_SM1_a_mail_that_is_signed_as_a_whole_counts() -> None:
    assert entity_of(signed_mail()) == SignedEntity(Scheme.OPENPGP, False, TEXT_PART, ARMOR)


@pytest.mark.parametrize(
    "entity",
    [
        multipart(b"mixed", b"m", signed(), FOOTER),
        multipart(b"mixed", b"m", FOOTER, signed()),
        multipart(b"mixed", b"m", signed()),
        multipart(b"related", b"m", b"Content-Type: text/html\r\n\r\n<p>hidden</p>", signed()),
        multipart(b"alternative", b"m", multipart(b"mixed", b"n", signed())),
        multipart(b"mixed", b"m", TEXT_PART, signature_part()),
        multipart(b"mixed", b"m", TEXT_PART, b"Content-Type: application/x-pkcs7-signature\r\n\r\nx"),
        multipart(b"mixed", b"m", TEXT_PART, opaque()),
        multipart(b"unknown", b"m", signed()),
        signature_part(),
    ],
    ids=[
        "footer",
        "text before",
        "wrapped",
        "hidden by html",
        "deep",
        "stray",
        "stray smime",
        "opaque",
        "odd",
        "alone",
    ],
)
def test_SM1_a_signature_below_the_top_is_refused(entity: bytes) -> None:
    assert find_signed(HEADER + entity) is Reason.PARTIAL_SIGNATURE
    mail = read(HEADER + entity)
    assert mail.signature_fault is Reason.PARTIAL_SIGNATURE
    assert mail.signature_scheme is not None


@pytest.mark.parametrize(
    "raw",
    [
        HEADER + multipart(b"signed", b"s", TEXT_PART, parameters=b"; protocol=application/pgp-signature"),
        HEADER
        + multipart(
            b"signed", b"s", TEXT_PART, FOOTER, signature_part(), parameters=b"; protocol=application/pgp-signature"
        ),
        HEADER + multipart(b"signed", b"s", TEXT_PART, signature_part()),
        HEADER + multipart(b"signed", b"s", TEXT_PART, signature_part(), parameters=b"; protocol=text/plain"),
        HEADER + multipart(b"signed", b"s", TEXT_PART, FOOTER, parameters=b"; protocol=application/pgp-signature"),
        smime(protocol=b"application/pgp-signature"),
        smime(part_type=b"application/pgp-signature"),
        smime(body=b"not*base64"),
        signed_mail().replace(b"--outer--\r\n", b""),
        signed_mail().replace(b'boundary="outer"', b"x=y"),
        signed_mail().replace(b"--outer", b"--other"),
        HEADER + opaque(b""),
        HEADER + opaque().partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
        HEADER + opaque(b"; smime-type=certs-only"),
        HEADER + opaque(b"; smime-type=compressed-data"),
    ],
    ids=["one part", "three parts", "no protocol", "odd protocol", "no signature", "protocol pgp, part smime",
         "protocol smime, part pgp", "not base64", "never closed", "no boundary", "no part",
         "opaque of no type", "opaque of nothing", "certificates", "compressed"],
)  # fmt: skip
def test_SM1_a_signed_mail_of_another_structure_is_broken(raw: bytes) -> None:
    assert find_signed(raw) is Reason.BROKEN_SIGNED_MAIL
    assert read(raw).signature_fault is Reason.BROKEN_SIGNED_MAIL


@pytest.mark.parametrize(
    "protocol", [PKCS7, b"application/x-pkcs7-signature", b'"Application/X-PKCS7-Signature"']
)
@pytest.mark.parametrize("part_type", [PKCS7, b"application/x-pkcs7-signature"])
def test_SM1_the_old_and_the_new_name_of_a_smime_type_are_one(protocol: bytes, part_type: bytes) -> None:
    raw = smime(protocol, part_type)
    assert entity_of(raw) == SignedEntity(Scheme.SMIME, False, TEXT_PART, CMS)
    assert (read(raw).signature_scheme, read(raw).signature_fault) == (Scheme.SMIME, None)


@pytest.mark.parametrize("media_type", [b"application/pkcs7-mime", b"application/x-pkcs7-mime"])
def test_SM1_opaque_smime_counts_as_a_whole(media_type: bytes) -> None:
    assert entity_of(HEADER + opaque(media_type=media_type)) == SignedEntity(Scheme.SMIME, False, b"", CMS)


def test_SM1_what_stands_outside_the_signed_part_is_not_read() -> None:
    raw = (
        signed_mail().replace(b"\r\n--outer\r\n", b"\r\nAPPROVE 1-99\r\n--outer\r\n", 1)
        + b"APPROVE REVOCATION\r\n"
    )
    assert entity_of(raw) == entity_of(signed_mail())


def test_SM2_the_bytes_that_python_would_change_stay_as_they_are() -> None:
    part = (
        b"Content-type:text/plain;charset=us-ascii\r\n"
        b"X-Long:  " + b"word " * 60 + b" \r\n\tfolded  \r\n"
        b"Content-Disposition: inline;\r\n\tx*0*=utf-8''%E6;\r\n\tx*1*=%89%BF\r\n"
        b"\r\n\r\n  body \t\r\n\r\n\r\n"
    )
    assert entity_of(signed_mail(part)).signed_bytes == part


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n\r\n"])
def test_SM3_the_last_line_end_of_the_part_is_signed_and_the_one_of_the_boundary_is_not(end: bytes) -> None:
    part = b"Content-Type: text/plain\r\n\r\nAPPROVE" + end
    assert entity_of(signed_mail(part)).signed_bytes == part


@pytest.mark.parametrize(
    "line",
    [
        b"--outer-",
        b"--outerx",
        b"--outer--x",
        b" --outer",
        b"-- outer",
        b"--oute",
        b"--outer -",
        b"x--outer",
        b"--OUTER",
    ],
)
def test_SM2_a_line_that_only_begins_like_a_boundary_is_text(line: bytes) -> None:
    part = TEXT_PART + line + b"\r\nmore\r\n"
    assert entity_of(signed_mail(part)).signed_bytes == part


@pytest.mark.parametrize("padding", [b" ", b"\t ", b"   "])
def test_SM2_white_space_after_a_boundary_belongs_to_its_line(padding: bytes) -> None:
    raw = (
        signed_mail()
        .replace(b"--outer\r\n", b"--outer" + padding + b"\r\n")
        .replace(b"--outer--", b"--outer--" + padding)
    )
    assert entity_of(raw).signed_bytes == TEXT_PART


def test_SM2_a_boundary_that_begins_like_the_outer_one_is_another() -> None:
    part = multipart(b"mixed", b"outer1", TEXT_PART, FOOTER)
    assert entity_of(signed_mail(part)).signed_bytes == part


def test_SM2_a_boundary_line_of_the_outer_multipart_ends_the_inner_one() -> None:
    cut = multipart(b"mixed", b"inner", TEXT_PART).removesuffix(b"--inner--\r\n")
    assert entity_of(signed_mail(cut)).signed_bytes == cut
    assert read(signed_mail(cut)).signature_fault is Reason.BROKEN_SIGNED_MAIL


@pytest.mark.parametrize(
    "parameter",
    [
        b"boundary=outer",
        b'boundary="ou\\ter"',
        b"BOUNDARY = outer",
        b'boundary="outer "',
        b"boundary*0=out; boundary*1=er",
    ],
)
def test_SM2_the_boundary_is_found_however_it_is_written(parameter: bytes) -> None:
    assert entity_of(signed_mail().replace(b'boundary="outer"', parameter)).signed_bytes == TEXT_PART


def test_SM2_a_boundary_of_all_allowed_signs_is_no_pattern() -> None:
    boundary = b"'()+_,-./:=? .*[a]$"
    raw = signed_mail().replace(b"outer", boundary)
    assert entity_of(raw).signed_bytes == TEXT_PART


@pytest.mark.parametrize("bad", [b"\0", b"\r", b"\r\r\n", b"\n\r"])
def test_SM3_nul_and_a_bare_cr_are_refused(bad: bytes) -> None:
    assert find_signed(signed_mail(TEXT_PART + b"a" + bad + b"b\r\n")) is Reason.CONTROL_CHARACTER


def test_SM3_nul_outside_the_signed_part_changes_nothing() -> None:
    assert entity_of(signed_mail() + b"\0\r").signed_bytes == TEXT_PART


def test_SM3_bare_line_feeds_are_made_crlf() -> None:
    assert entity_of(signed_mail().replace(b"\r\n", b"\n")).signed_bytes == TEXT_PART
    assert entity_of(signed_mail(TEXT_PART + b"a\nb\r\n")).signed_bytes == TEXT_PART + b"a\r\nb\r\n"
