"""Inline OpenPGP: one block and nothing else, and the text that gpg too reads (threats PGP7, SM1)."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.mime.limits import SIGNED_TEXT_BYTES
from bot.mime.signed import SignedEntity, find_signed, read_inline_content
from bot.openpgp.block import ClearsignedBlock, read_clearsigned
from handlers.incoming import Scheme
from handlers.rules.reasons import Reason
from tests.bot.mail_building import ARMOR, HEADER, entity_of, read, sample

BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----\r\n"
BLOCK = BEGIN + b"Hash: SHA256\r\n\r\nAPPROVE\r\n- -- \r\nHikaru\r\n" + ARMOR.removesuffix(b"\r\n")
OUTPUT = b"APPROVE\n--\nHikaru\n"
PLAIN = HEADER + b"Content-Type: text/plain; charset=utf-8\r\n\r\n"


def entity(block: bytes) -> SignedEntity:
    return SignedEntity(Scheme.OPENPGP, True, block, b"")


def text_of(block: bytes, output: bytes) -> str | Reason:
    content = read_inline_content(entity(block), output)
    return content.text if content.text is not None else Reason(str(content.text_fault))


@pytest.mark.parametrize("around", [b"", b"\r\n", b" \r\n\t\r\n"])
def test_SM1_a_body_that_is_one_block_counts(around: bytes) -> None:
    raw = PLAIN + around + BLOCK + b"\r\n" + around
    assert entity_of(raw) == entity(BLOCK)
    assert entity_of(raw.replace(b"\r\n", b"\n")) == entity(BLOCK)
    assert (read(raw).signature_fault, read(raw).signature_scheme) == (None, Scheme.OPENPGP)


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN + b"hello\r\n" + BLOCK,
        PLAIN + BLOCK + b"\r\nfooter",
        PLAIN + BLOCK + b"\r\n" + BLOCK,
        PLAIN + BLOCK.removesuffix(b"-----END PGP SIGNATURE-----"),
        PLAIN + BLOCK.replace(b"- --", b"-----"),
        PLAIN + b"> x\r\n" + BEGIN,
        PLAIN.replace(b"utf-8", b"utf-8; name=decision.txt") + BLOCK,
        HEADER + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\n" + BLOCK + b"\r\n--m--\r\n",
    ],
    ids=["text before", "text after", "two", "cut", "dashes", "begin only", "attached", "part"],
)
def test_SM1_a_block_that_is_not_the_whole_body_is_refused(raw: bytes) -> None:
    assert find_signed(raw) is Reason.PARTIAL_SIGNATURE
    assert read(raw).signature_fault is Reason.PARTIAL_SIGNATURE


def test_SM1_a_quoted_block_is_no_signature() -> None:
    quoted = b"".join(b"> " + line + b"\r\n" for line in BLOCK.split(b"\r\n"))
    assert find_signed(PLAIN + quoted) is None


def test_SM3_nul_and_a_bare_cr_in_a_block_are_refused() -> None:
    for bad in (b"\0", b"a\rb"):
        assert find_signed(PLAIN + BLOCK.replace(b"APPROVE", bad)) is Reason.CONTROL_CHARACTER


def test_a_block_in_a_transfer_encoding_is_found() -> None:
    head = PLAIN.removesuffix(b"\r\n") + b"Content-Transfer-Encoding: base64\r\n\r\n"
    assert entity_of(head + base64.encodebytes(BLOCK)) == entity(BLOCK)
    assert find_signed(head + base64.encodebytes(BLOCK) + b"=x") is Reason.BROKEN_SIGNED_MAIL


def test_DOS1_a_block_over_the_limit_is_refused() -> None:
    big = BLOCK.replace(b"Hikaru", b"x" * SIGNED_TEXT_BYTES)
    assert find_signed(PLAIN + big) is Reason.TOO_LARGE


def test_PGP7_the_text_is_what_gpg_wrote() -> None:
    assert text_of(BLOCK, OUTPUT) == "APPROVE\n--\nHikaru"


def test_SM9_the_charset_of_a_block_is_told_by_the_signed_bytes_alone() -> None:
    for octets in ("承認".encode(), b"\x1b$B>5G'\x1b(B"):
        assert (
            text_of(BLOCK.replace(b"APPROVE", octets), OUTPUT.replace(b"APPROVE", octets))
            == "承認\n--\nHikaru"
        )
    for octets in ("承認".encode("cp932"), b"\x1b$B\xff\x1b(B"):
        assert (
            text_of(BLOCK.replace(b"APPROVE", octets), OUTPUT.replace(b"APPROVE", octets))
            is Reason.BAD_CHARSET
        )


def test_the_inline_sample_is_read() -> None:
    block = entity_of(sample("0011"))
    output = "承認します。\n\n--\nHikaru\n> 承認コード: 0123abcd 4567ef01 89ab2345 cdef6789\n".encode()
    content = read_inline_content(block, output)
    assert content.text is not None
    assert content.text.startswith("承認します。\n")
    assert (content.signed_bytes, content.sender, content.attachments) == (block.signed_bytes, None, ())


@pytest.mark.parametrize(
    "text",
    [
        "APPROVE",
        "承認します。\n\n-- \n内田  \t\n",
        "- dash\n-\n--\n----- five\nFrom me\n",
        "\n\n",
        "",
        "a \n b\n\n\n",
        "x\t\n",
    ],
)
def test_PGP7_what_we_read_is_what_gpg_reads(text: str, need: Callable[[str], str], tmp_path: Path) -> None:
    gpg = [need("gpg"), "--batch", "--quiet", "--homedir", str(tmp_path), "--passphrase", ""]
    subprocess.run(
        [*gpg, "--quick-gen-key", "o@example.ac.jp", "ed25519", "sign"], check=True, capture_output=True
    )
    block = subprocess.run([*gpg, "--clearsign"], input=text.encode(), check=True, capture_output=True).stdout
    signed = entity_of(PLAIN + block)
    verify = [*gpg, "--output", "-", "--verify"]
    read_by_us = read_clearsigned(signed.signed_bytes)
    assert isinstance(read_by_us, ClearsignedBlock)
    output = subprocess.run(verify, input=read_by_us.block, check=True, capture_output=True).stdout
    assert read_by_us.text == output
    content = read_inline_content(signed, output)
    assert content.text is not None
    assert content.text.split("\n") == [line.rstrip(" \t") for line in text.removesuffix("\n").split("\n")]
