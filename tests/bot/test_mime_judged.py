"""The reading edge against others' readers, and against mails nobody meant to write (threats SM2, DOS1)."""

import email
import email.policy
import subprocess
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.mime.read import oversized_mail
from bot.mime.signed import SignedEntity, find_signed
from bot.mime.tree import Entity, read_entity
from tests.bot.mail_building import ARMOR, HEADER, KEY, MAILS, RECEIVED_AT, entity_of, read, signed_mail
from tests.bot.test_mime_samples import check_is_whole, check_survived

SAMPLES = [path.read_bytes() for path in sorted(MAILS.rglob("*.eml"))]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b"--",
    b"--outer\r\n",
    b"--outer--",
    b"Content-Type: ",
    b"multipart/signed",
    b'"',
    b";",
    b"boundary=outer",
    b"message/rfc822",
    b"text/plain",
    b"=?iso-2022-jp?B?GyRC?=",
    b"\x1b$B",
    b"\x1b(B",
    b"\xff",
    b"=",
    b"Content-Transfer-Encoding: base64\r\n",
    b"From: ",
    b"<a@example.jp>",
    b": ",
    b" ",
    b"*0*=x''%",
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\n",
    b"-----BEGIN PGP SIGNATURE-----\r\n",
    b"-----END PGP SIGNATURE-----\r\n",
    b"\r\n\r\n",
]


@st.composite
def mutated_mails(draw: st.DrawFn) -> bytes:
    """A sample mail with a few pieces taken out, put in, or doubled."""
    raw = draw(st.sampled_from([*SAMPLES, signed_mail()]))
    for _ in range(draw(st.integers(1, 6))):
        start, end = sorted((draw(st.integers(0, len(raw))), draw(st.integers(0, min(len(raw), 4000)))))
        end = min(end, start + draw(st.integers(0, 80)))
        piece = draw(st.sampled_from([b"", raw[start:end] * 2, *PIECES]) | st.binary(max_size=4))
        raw = raw[:start] + piece + raw[end:]
    return raw


@settings(deadline=None, max_examples=400)
@given(mutated_mails())
def test_DOS1_no_mutated_mail_raises(raw: bytes) -> None:
    check_survived(raw)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=40).map(b"".join))
def test_DOS1_no_random_mail_raises(raw: bytes) -> None:
    check_survived(raw)
    check_is_whole(oversized_mail(raw, 2**30, KEY, RECEIVED_AT))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_mail_cut_anywhere_is_survived_and_never_signed_over_other_bytes(step: int) -> None:
    raw = SAMPLES[0] if step == 1 else signed_mail()
    whole = entity_of(raw)
    for end in range(0, len(raw), step):
        check_survived(raw[:end])
        found = find_signed(raw[:end])
        assert not isinstance(found, SignedEntity) or found == whole


# what may stand outside the signed part without being a boundary line
_OUTSIDE = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="-"), max_size=30), max_size=4)


@settings(deadline=None, max_examples=200)
@given(
    headers=st.lists(st.text("abc XYZ=?<>@\t\"'", max_size=40), max_size=3),
    before=_OUTSIDE,
    after=_OUTSIDE,
    body=st.binary(max_size=60),
    padding=st.text(" \t", max_size=3),
    line_end=st.sampled_from([b"\r\n", b"\n"]),
    name=st.text("abcdefgh", max_size=8),
)
def test_SM2_the_signed_bytes_stay_equal_under_any_change_outside_them(
    headers: list[str],
    before: list[str],
    after: list[str],
    body: bytes,
    padding: str,
    line_end: bytes,
    name: str,
) -> None:
    # bare CR and NUL are refused, and a boundary line would be a change of the signed part itself
    body = body.replace(b"\r", b"").replace(b"\0", b"").replace(b"--outer", b"").replace(b"\n", b"\r\n")
    part = b"Content-Type: application/x\r\n\r\n" + body
    outer = HEADER + "".join(f"X-{n}: {value}\r\n" for n, value in enumerate(headers)).encode()
    boundary_end = padding.encode() + line_end
    signature = (
        b'Content-Type: application/pgp-signature; name="' + name.encode() + b'"' + line_end * 2 + ARMOR
    )
    raw = (
        outer
        + b'Content-Type: multipart/signed; boundary="outer"; protocol="application/pgp-signature"'
        + line_end * 2
        + "\n".join(before).encode()
        + line_end
        + b"--outer"
        + boundary_end
        + part
        + line_end
        + b"--outer"
        + boundary_end
        + signature
        + line_end
        + b"--outer--"
        + boundary_end
        + "\n".join(after).encode()
    )
    assert entity_of(raw).signed_bytes == part


@st.composite
def built_mails(draw: st.DrawFn) -> EmailMessage:
    """A mail as Python's own `email` writes one: text, other text, attachments with names, nested mails of the same."""
    message = EmailMessage()
    message["From"] = "a@example.ac.jp"
    message["Subject"] = draw(st.text("abc 承認①髙", max_size=60))
    text = st.text("abc\n承認. -", max_size=80)
    message.set_content(draw(text), cte=draw(st.sampled_from(["base64", "quoted-printable", "8bit"])))
    if draw(st.booleans()):
        message.add_alternative(draw(text), subtype="html")
    for _ in range(draw(st.integers(0, 3))):
        # no quotes: python takes them off twice
        name = draw(st.text("abc 申請;'.", min_size=1, max_size=40).filter(str.strip))
        message.add_attachment(
            draw(st.binary(max_size=200)), maintype="application", subtype="octet-stream", filename=name
        )
    return message


@settings(deadline=None, max_examples=200)
@given(built_mails(), st.sampled_from([email.policy.SMTP, email.policy.default]))
def test_what_python_writes_is_read_as_python_reads_it(
    message: EmailMessage, policy: email.policy.EmailPolicy
) -> None:
    raw = message.as_bytes(policy=policy)
    judge = email.message_from_bytes(raw, policy=email.policy.default)
    mail = read(raw)
    assert mail.fault is None
    assert [a.data for a in mail.attachments] == [a.get_content() for a in judge.iter_attachments()]
    names = [(a.get_filename() or "").strip() for a in judge.iter_attachments()]
    assert [a.name for a in mail.attachments] == names
    assert mail.subject == str(judge["Subject"]).strip()
    body = judge.get_body(("plain",))
    assert body is not None
    assert mail.text.rstrip("\n") == body.get_content().replace("\r\n", "\n").rstrip("\n")


@pytest.mark.parametrize("raw", SAMPLES[:21], ids=range(1, 22))
def test_a_sample_has_the_parts_that_python_finds(raw: bytes) -> None:
    judge = email.message_from_bytes(raw, policy=email.policy.compat32)
    root = read_entity(raw)
    assert isinstance(root, Entity)
    # below a forwarded mail python goes on, we do not
    assert [e.media_type for e in root.walk()] == [
        part.get_content_type() for part in judge.walk() if not _is_forwarded(judge, part)
    ]


def _is_forwarded(judge: object, part: object) -> bool:
    assert isinstance(judge, email.message.Message)
    mails = [m for m in judge.walk() if m.get_content_type().startswith("message/")]
    return any(part is inner for mail in mails for inner in mail.walk() if inner is not mail)


def test_SM2_the_slice_verifies_with_openssl(need: Callable[[str], str], tmp_path: Path) -> None:
    openssl = need("openssl")

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([openssl, *arguments], check=True, capture_output=True, cwd=tmp_path)

    run(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "k",
        "-out",
        "c",
        "-subj",
        "/CN=o",
        "-days",
        "9",
    )
    (tmp_path / "text").write_bytes(b"--x\n-- \nAPPROVE \n\n\n")
    run(
        "cms", "-sign", "-in", "text", "-text", "-signer", "c", "-inkey", "k", "-md", "sha256", "-out", "mail"
    )
    entity = entity_of(HEADER.replace(b"MIME-Version: 1.0\r\n", b"") + (tmp_path / "mail").read_bytes())
    (tmp_path / "signed").write_bytes(entity.signed_bytes)
    (tmp_path / "signature").write_bytes(entity.signature)
    verify = (
        "cms",
        "-verify",
        "-binary",
        "-noverify",
        "-inform",
        "DER",
        "-in",
        "signature",
        "-content",
        "signed",
    )
    run(*verify, "-out", "out")
    assert b"APPROVE" in entity.signed_bytes
    (tmp_path / "signed").write_bytes(entity.signed_bytes + b"\r\n")
    with pytest.raises(subprocess.CalledProcessError):
        run(*verify, "-out", "out")
