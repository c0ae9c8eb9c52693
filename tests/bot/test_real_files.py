"""Files and mails as people's own programs write them, from the raw bytes to the taken application."""

import base64
from email.header import Header
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bot.mime.read import read_mail
from handlers.handled import Handled
from handlers.incoming import MailKey
from handlers.letters.applicant import ApplicantReceived
from handlers.rules.reasons import Reason
from store.tables import Application, Entry
from store.transaction import reading
from tests.applications import APPLICANT, NOW, TESTKIKAN, DeskWorld, csr_text, open_world, tsv_line

FQDN = "test1.example.ac.jp"


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = open_world(tmp_path)
    yield opened
    opened.engine.dispose()


def a_csr() -> str:
    return csr_text(FQDN, ec.generate_private_key(ec.SECP384R1()))


def raw_mail(data: bytes, *, disposition: str = 'filename="shinsei.tsv"', content_type: str = "") -> bytes:
    """A mail with one attachment, base64, as a Japanese mail program writes it."""
    kind = content_type or "text/tab-separated-values"
    body = base64.encodebytes(data).decode().replace("\n", "\r\n")
    return (
        f"From: =?ISO-2022-JP?B?GyRCOjRGIxsoQg==?= <{APPLICANT}>\r\nTo: ringi@example.ac.jp\r\n"
        "Subject: =?UTF-8?B?55m66KGM55Sz6KuL?=\r\nMessage-ID: <1@example.ac.jp>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        "\x1b$B$*4j$$$7$^$9\x1b(B\r\n"
        f"--b\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; {disposition}\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n--b--\r\n"
    ).encode("ascii")


def receive(world: DeskWorld, raw: bytes) -> Handled:
    mail = read_mail(raw, MailKey("a", "INBOX", 1, 1), NOW, authserv_id=None)
    assert mail.fault is None
    return world.receive(mail)


def taken(world: DeskWorld, raw: bytes) -> Application:
    handled = receive(world, raw)
    assert handled.reason is Reason.TAKEN, handled.notices
    with reading(world.engine) as session:
        application = session.get_one(Application, handled.number)
        assert application.entries
        return application


def entry(world: DeskWorld, raw: bytes) -> Entry:
    return taken(world, raw).entries[0]


def test_a_spreadsheet_on_windows_writes_cp932_crlf_and_trailing_tabs(world: DeskWorld) -> None:
    data = (tsv_line(c8="髙﨑 花子", c9="①課") + "\t\t\t\r\n").encode("cp932")
    found = entry(world, raw_mail(data))
    assert found.contact_name == "髙﨑 花子"


def test_a_mac_writes_utf8_with_a_byte_order_mark(world: DeskWorld) -> None:
    handled = receive(world, raw_mail(("\ufeff" + tsv_line() + "\n").encode("utf-8")))
    letter = handled.notices[0].letter
    assert isinstance(letter, ApplicantReceived)
    assert letter.application.entries[0].contact_name == "佐藤 花子"
    assert letter.encoding == "UTF-8"


@pytest.mark.parametrize(
    "shape",
    [
        lambda csr: csr,
        lambda csr: csr.replace("-----BEGIN CERTIFICATE REQUEST-----", "").replace(
            "-----END CERTIFICATE REQUEST-----", ""
        ),
        lambda csr: csr.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        lambda csr: " ".join(
            [csr[:35], *(csr[35:-33][n : n + 64] for n in range(0, len(csr), 64)), csr[-33:]]
        ),
    ],
    ids=["one line", "no BEGIN and END", "NEW", "spaces for line breaks"],
)
def test_csrs_as_people_paste_them(world: DeskWorld, shape) -> None:  # type: ignore[no-untyped-def]
    assert entry(world, raw_mail((tsv_line(c7=shape(a_csr())) + "\r\n").encode("cp932"))).csr


@pytest.mark.parametrize(
    "names", ["dNSName=a.example.ac.jp,dNSName=b.example.ac.jp", "a.example.ac.jp, b.example.ac.jp"]
)
def test_further_names_with_and_without_the_prefix(world: DeskWorld, names: str) -> None:
    found = entry(world, raw_mail((tsv_line(c13=names) + "\r\n").encode("cp932")))
    assert found.dns_names.split("\n") == [FQDN, "a.example.ac.jp", "b.example.ac.jp"]


def test_dn_values_may_hold_commas_and_equals_signs(tmp_path: Path) -> None:
    organization = "Institute of A, B and C=D"
    world = open_world(tmp_path, TESTKIKAN.model_copy(update={"organization": organization}))
    dn = f"CN={FQDN},O={organization},L=Chiyoda-ku,ST=Tokyo,C=JP"
    csr = csr_text(FQDN, ec.generate_private_key(ec.SECP384R1()), organization)
    found = entry(world, raw_mail((tsv_line(c1=dn, c7=csr) + "\r\n").encode("cp932")))
    assert found.subject_dn == dn
    world.engine.dispose()


JAPANESE = "申請書（発行）.tsv"


@pytest.mark.parametrize(
    ("disposition", "content_type"),
    [
        ("filename*=ISO-2022-JP'ja'" + "".join(f"%{b:02X}" for b in JAPANESE.encode("iso-2022-jp")), ""),
        (f'filename="{Header(JAPANESE, "iso-2022-jp").encode()}"', ""),
        (f'filename="{Header(JAPANESE, "utf-8").encode()}"', "application/vnd.ms-excel"),
        ('filename="shinsei.tsv"', 'application/octet-stream; name="shinsei.tsv"'),
        ('filename="SHINSEI.TSV"', "text/plain"),
        ('filename="shinsei.txt"', "text/plain"),
    ],
    ids=["RFC 2231", "RFC 2047 ISO-2022-JP", "RFC 2047 Outlook", "octet-stream", "capitals", "txt"],
)
def test_names_and_types_as_mail_programs_write_them(
    world: DeskWorld, disposition: str, content_type: str
) -> None:
    data = (tsv_line() + "\r\n").encode("cp932")
    application = taken(world, raw_mail(data, disposition=disposition, content_type=content_type))
    assert application.file_name.lower().endswith((".tsv", ".txt"))


def test_two_tsvs_in_one_mail_are_asked_back(world: DeskWorld) -> None:
    data = (tsv_line() + "\r\n").encode("cp932")
    second = b'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="2.tsv"\r\n\r\na\tb'
    raw = raw_mail(data).replace(b"\r\n--b--\r\n", b"\r\n--b\r\n" + second + b"\r\n--b--\r\n")
    assert receive(world, raw).reason is Reason.SEVERAL_TSV
