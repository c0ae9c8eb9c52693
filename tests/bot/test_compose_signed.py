"""What is signed is what is sent: proved with the real gpg on the bytes as they leave."""

import email
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.compose.mail import Composer
from handlers.notices import Notice
from handlers.rules.scheme import Scheme
from tests.composed import HEAD, SHEET, TSV, compose
from tests.keys import gpg_home, make_key, run_gpg, sign_detached
from tests.letters import DESK, NOW, NUMBER, SAMPLES


@pytest.fixture(scope="module")
def key(need) -> Iterator[tuple[Path, str]]:
    need("gpg")
    with gpg_home() as home:
        yield home, make_key(home, "Ringi", "upki@example.ac.jp")


def verify(home: Path, signature: bytes, data: bytes, folder: Path) -> str:
    (folder / "signature").write_bytes(signature)
    (folder / "signed").write_bytes(data)
    status = run_gpg(home, "--status-fd", "1", "--verify", str(folder / "signature"), str(folder / "signed"))
    return status.decode()


def slice_signed(raw: bytes) -> tuple[bytes, bytes]:
    """What a strict reader takes as signed: the bytes between the boundary lines; and the second part's body."""
    boundary = re.search(rb'boundary="(=_signed_[^"]+)"', raw)
    assert boundary is not None
    _, first, second, end = raw.split(b"--" + boundary[1])
    assert end == b"--\r\n"
    return first.removeprefix(b"\r\n")[:-2], second.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("name", ["request", "answer_no_code", "downloaded", "not_issued_officer"])
def test_what_is_signed_is_what_is_sent(key, tmp_path, name):
    home, fingerprint = key
    attachments = (SHEET, TSV) if name == "request" else ()
    raw = compose(
        SAMPLES[name],
        "both",
        sign=lambda data: sign_detached(home, fingerprint, data),
        attachments=attachments,
    )
    signed, signature = slice_signed(raw)
    status = verify(home, signature, signed, tmp_path)
    assert f"VALIDSIG {fingerprint}" in status
    assert " 8 00 " in next(
        line for line in status.splitlines() if "VALIDSIG" in line
    )  # SHA-256, as micalg says
    assert signed.startswith(b"Content-Type: ")
    assert len(raw.decode("ascii")) == len(raw)


def test_a_mail_program_that_parses_before_it_verifies_finds_the_same_bytes(key, tmp_path):
    home, fingerprint = key
    raw = compose(sign=lambda data: sign_detached(home, fingerprint, data), attachments=(SHEET, TSV))
    mail = email.message_from_bytes(raw, policy=email.policy.compat32.clone(linesep="\r\n"))
    assert mail.get_content_type() == "multipart/signed"
    assert mail.get_param("micalg") == "pgp-sha256"
    assert mail.get_param("protocol") == "application/pgp-signature"
    inner, signature = mail.get_payload()
    data = inner.as_bytes(policy=mail.policy)  # type: ignore[union-attr]
    armor = signature.get_payload(decode=True)  # type: ignore[union-attr]
    assert f"VALIDSIG {fingerprint}" in verify(home, armor, data, tmp_path)


def test_a_changed_byte_is_found(key, tmp_path):
    home, fingerprint = key
    raw = compose(sign=lambda data: sign_detached(home, fingerprint, data))
    signed, signature = slice_signed(raw.replace(b"Row-1 0", b"Row-1 1"))
    with pytest.raises(AssertionError, match="BAD signature"):
        verify(home, signature, signed, tmp_path)


def test_a_reader_without_a_scheme_gets_no_signature():
    def refuse(data: bytes) -> bytes:
        raise AssertionError("signed a mail whose reader uses no signatures")

    notice = Notice("hanako@example.ac.jp", "ja", SAMPLES["received"], None, NUMBER)
    raw = Composer(DESK, "Ringi", {Scheme.OPENPGP: refuse}).compose(
        notice, now=NOW, message_id="<1@x>", journal_head=HEAD
    )
    assert b"pgp" not in raw
