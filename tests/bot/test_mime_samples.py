"""The sample mails, one a mail program: what is read of each; and the crash corpus, which must only be survived."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.mime.signed import SignedEntity, find_signed, read_inline_content, read_signed_content
from handlers.incoming import IncomingMail, Scheme, SignedContent
from handlers.rules.reasons import Reason
from tests.bot.mail_building import MAILS, entity_of, read, sample


@dataclass(frozen=True)
class Signed:
    """What stands inside a sample's signature."""

    name: str
    scheme: Scheme
    lines: tuple[str, ...]
    sender: str | None = None
    attachments: tuple[str, ...] = ()


SIGNED = (
    Signed(
        "0001",
        Scheme.OPENPGP,
        ("承認します。", "> ──── Ringi A-20261122-0007 ────"),
        "officer@example.ac.jp",
        ("OpenPGP_0x0123456789ABCDEF.asc",),
    ),
    Signed(
        "0002",
        Scheme.OPENPGP,
        (
            "APPROVE",
            "> A line that our mail had broken softly and that the reader's mail program put together again.",
            ">> Code: 0123abcd 4567ef01 89ab2345 cdef6789",
            "-- ",
        ),
        "officer@example.ac.jp",
    ),
    Signed(
        "0003",
        Scheme.SMIME,
        ("㈱例示の髙橋です。", "①の申請を確認しました。", "承認します"),
        None,
        ("image001.png",),
    ),
    Signed(
        "0004",
        Scheme.OPENPGP,
        ("APPROVE", "> ", "> Code: 0123abcd 4567ef01 89ab2345 cdef6789 – a line that goes on in the next"),
    ),
    Signed(
        "0005",
        Scheme.OPENPGP,
        ("DECLINE: wrong department", "--liOOAslEiF7prFVr is no boundary line, it only begins like one"),
    ),
    Signed(
        "0006", Scheme.OPENPGP, ("却下: 所属が違います", "> 承認コード: 0123abcd 4567ef01 89ab2345 cdef6789")
    ),
)

REFUSED = {
    "0012": (Reason.PARTIAL_SIGNATURE, Scheme.OPENPGP),
    "0013": (Reason.PARTIAL_SIGNATURE, Scheme.OPENPGP),
    "0014": (Reason.ENCRYPTED, Scheme.OPENPGP),
    "0016": (Reason.ENCRYPTED, Scheme.SMIME),
}

APPLICATIONS = {
    "0007": (
        "サーバ証明書の新規発行を申請します、よろしくお願いします",
        "新規発行申請.tsv",
        "申請します。\n",
        None,
    ),
    "0008": (
        "新規発行",
        "新規発行申請書-情報基盤センター.tsv",
        "サーバ証明書の新規発行を申請します。\n",
        "issue",
    ),
    "0009": ("Application, issue", "server.tsv", "Please issue this certificate.\n", None),
    "0010": ("新規発行", "申請表.tsv", "申請表をお送りします。", None),
}

ALL = sorted([*MAILS.glob("*.eml"), *MAILS.glob("crash/*.eml")])


@pytest.mark.parametrize("expected", SIGNED, ids=lambda expected: expected.name)
def test_a_signed_sample_says_what_its_officer_wrote(expected: Signed) -> None:
    entity = entity_of(sample(expected.name))
    content = read_signed_content(entity)
    assert isinstance(content, SignedContent)
    assert entity.scheme is expected.scheme
    assert content.text is not None
    assert set(expected.lines) <= set(content.text.split("\n"))
    assert content.sender == expected.sender
    assert tuple(a.name for a in content.attachments) == expected.attachments


@pytest.mark.parametrize("name", [s.name for s in SIGNED])
def test_SM3_a_sample_with_bare_line_feeds_is_signed_over_the_same_bytes(name: str) -> None:
    raw = sample(name)
    assert b"\r\n" in raw
    assert entity_of(raw.replace(b"\r\n", b"\n")).signed_bytes == entity_of(raw).signed_bytes


@pytest.mark.parametrize(("name", "expected"), REFUSED.items())
def test_a_sample_that_is_not_signed_as_a_whole_is_refused(
    name: str, expected: tuple[Reason, Scheme]
) -> None:
    mail = read(sample(name))
    assert (mail.signature_fault, mail.signature_scheme) == expected
    assert find_signed(sample(name)) is expected[0]
    assert mail.fault is None


@pytest.mark.parametrize(("name", "expected"), APPLICATIONS.items())
def test_an_application_sample_is_read(name: str, expected: tuple[str, str, str, str | None]) -> None:
    mail = read(sample(name))
    (attachment,) = mail.attachments
    assert (mail.subject, attachment.name, mail.text, mail.to_detail) == expected
    assert mail.sender == "applicant@example.ac.jp"
    assert attachment.data.decode("cp932").startswith("主体者DN\t")
    assert (mail.fault, mail.signature_fault, mail.signature_scheme, mail.automatic) == (
        None,
        None,
        None,
        None,
    )


def test_a_signature_part_is_no_attachment_of_an_application() -> None:
    assert [a.name for a in read(sample("0001")).attachments] == ["OpenPGP_0x0123456789ABCDEF.asc"]
    assert [a.name for a in read(sample("0003")).attachments] == ["image001.png"]
    assert read(sample("0015")).attachments == ()


def test_SM8_nothing_of_an_encrypted_mail_is_read() -> None:
    mail = read(sample("0014"))
    assert (mail.text, mail.attachments, mail.sender) == ("", (), "officer@example.ac.jp")


def test_SM4_html_alone_is_named() -> None:
    content = read_signed_content(entity_of(sample("0017")))
    assert isinstance(content, SignedContent)
    assert (content.text, content.text_fault) == (None, Reason.HTML_ONLY)


def test_a_delivery_report_of_a_mail_we_signed_is_automatic_and_claims_no_signature() -> None:
    mail = read(sample("0018"))
    assert mail.automatic is not None
    assert (mail.signature_fault, mail.signature_scheme, mail.fault) == (None, None, None)


def test_SM4_a_forwarded_signed_mail_is_an_attachment_and_not_a_signature() -> None:
    mail = read(sample("0019"))
    assert [(a.name, a.content_type) for a in mail.attachments] == [("Re: Application.eml", "message/rfc822")]
    assert mail.attachments[0].data.startswith(b"From: officer@example.ac.jp")
    assert (mail.text, mail.signature_fault) == ("see below", None)


def test_a_mail_without_mime_is_text() -> None:
    mail = read(sample("0021"))
    assert (mail.text, mail.attachments, mail.fault) == ("No MIME at all.\n", (), None)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_mail_of_the_corpus_is_survived(path: Path) -> None:
    check_survived(path.read_bytes())


def check_survived(raw: bytes) -> None:
    """No mail raises; what is refused as a whole has no content; both ways to the signature agree."""
    mail = read(raw)
    check_is_whole(mail)
    found = find_signed(raw)
    if isinstance(found, SignedEntity):
        assert mail.signature_scheme is found.scheme
        contents = read_inline_content(found, b"x") if found.inline else read_signed_content(found)
        if isinstance(contents, SignedContent):
            assert (contents.text is None) != (contents.text_fault is None)
    elif mail.signature_scheme is not None:
        assert mail.signature_fault is found


def check_is_whole(mail: IncomingMail) -> None:
    if mail.fault is not None:
        assert (mail.text, mail.attachments) == ("", ())
    else:
        assert mail.sender is not None
    assert mail.signature is None
    assert len(mail.subject) <= 998
    assert {unicodedata.category(c) for c in mail.subject}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert "\0" not in mail.text
    mail.text.encode()
    mail.subject.encode()
