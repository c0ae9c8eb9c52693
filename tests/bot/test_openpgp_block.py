"""What a signature part and a clearsigned mail may consist of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.openpgp.block import ClearsignedBlock, read_clearsigned, read_signature_part, read_tags
from bot.openpgp.keys import OfficerKeys, Verified
from handlers.rules.reasons import Reason
from tests.keys import clearsign, export_key, gpg_home, make_key, sign_detached
from tests.officer_keys import keys_of
from tests.openpgp_packets import armor, dearmor, packet

NOW = datetime.now(UTC)
SIGNED = "承認\r\n".encode()
TEXT = "田中様\n\n承認\n- 箇条  \n-- \nFrom here\n> quoted\t\n\ncode: 1234\n".encode()


@dataclass(frozen=True)
class World:
    home: Path
    key: str
    officers: OfficerKeys
    signature: bytes
    block: bytes


@pytest.fixture(scope="module")
def world(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("gpg")
    with gpg_home() as home:
        key = make_key(home, "内田", "uchida@example.ac.jp")
        officers = keys_of({"uchida": (key, export_key(home, key))}, tmp_path_factory.mktemp("register"))
        yield World(home, key, officers, sign_detached(home, key, SIGNED), clearsign(home, key, TEXT))


def _good(s: bytes) -> list[bytes]:
    packets = dearmor(s)
    comment = b"-----\nVersion: GnuPG v2\nComment: \xe9\x8d\xb5\nCharset:\n\n"
    old_style = bytes([0x88, len(packets) - 2]) + packets[2:]
    return [
        s,
        s.replace(b"\n", b"\r\n"),
        b"\r\n \t\r\n" + s + b"\n\n",
        s.replace(b"-----\n\n", comment),
        s.replace(b"\n", b"  \n"),
        armor(packets),
        armor(old_style),
        armor(packet(2, packets[2:])),
        s.strip(),
    ]


def test_PGP6_one_block_with_one_signature_is_taken_however_it_is_written(world: World) -> None:
    for part in _good(world.signature):
        assert isinstance(world.officers.verify_detached(SIGNED, part, NOW), Verified), part


def _refused(s: bytes) -> list[bytes]:
    packets = dearmor(s)
    partial = bytes([0xC2, 0xE0 | 4]) + packets[2:18] + bytes([len(packets) - 18]) + packets[18:]
    open_length = bytes([0x8B]) + packets[2:]
    begin, end = s.split(b"\n")[0], s.split(b"\n")[-2]
    return [
        packets,
        s + s,
        b"text before\n" + s,
        s + b"text behind\n",
        s.replace(b"SIGNATURE", b"MESSAGE"),
        s.replace(begin, begin.replace(b"SIGNATURE", b"MESSAGE")),
        s.replace(begin + b"\n", begin + b"\n" + begin + b"\n"),
        s.replace(b"\n" + end, b""),
        s.replace(b"-----\n\n", b"-----\n", 1),
        s.replace(b"-----\n\n", b"-----\nno header\n\n", 1),
        s.replace(b"\n=", b"\n!="),
        armor(b""),
        armor(packets[:-1]),
        armor(packets + b"\x00"),
        armor(b"\x00" + packets),
        armor(packet(10, b"PGP") + packets),
        armor(packets + packet(6, b"\x04")),
        armor(packets + packet(21, bytes(8))),
        armor(packet(8, b"\x00" + packets)),
        armor(partial),
        armor(open_length),
    ]


def test_PGP6_anything_but_one_block_of_signature_packets_is_refused(world: World) -> None:
    for part in _refused(world.signature):
        assert world.officers.verify_detached(SIGNED, part, NOW) is Reason.SIGNATURE_BLOCK, part


def test_PGP6_a_signature_cut_anywhere_is_refused(world: World) -> None:
    whole = world.signature.strip()
    for length in range(len(whole)):
        assert read_signature_part(whole[:length]) is Reason.SIGNATURE_BLOCK
    packets = dearmor(whole)
    for length in range(1, len(packets)):
        assert read_tags(packets[:length]) is None


@pytest.mark.parametrize("length", [0, 1, 191, 192, 193, 8383, 8384, 70_000])
def test_PGP6_packets_are_told_apart_by_every_form_of_length(length: int) -> None:
    body = bytes(length)
    forms = [packet(2, body), bytes([0x8A]) + length.to_bytes(4) + body]
    if length < 192:
        forms.append(bytes([0xC2, length]) + body)
    elif length < 8384:
        forms.append(bytes([0xC2, (length - 192 >> 8) + 192, length - 192 & 0xFF]) + body)
    if length < 256:
        forms.append(bytes([0x88, length]) + body)
    if length < 65_536:
        forms.append(bytes([0x89]) + length.to_bytes(2) + body)
    assert read_tags(b"".join(forms)) == [2] * len(forms)
    for form in forms:
        assert read_tags(form + packet(6, b"x")) == [2, 6]


@pytest.mark.parametrize("tag", [0x88, 0x89, 0x8A, 0xC2])
def test_PGP6_a_header_cut_anywhere_is_refused(tag: int) -> None:
    for length in range(256):
        header = bytes([tag, length, 0, 0, 0, 0])
        for cut in range(1, 6):
            assert read_tags(packet(2, b"x") + header[:cut]) in (None, [2, 2])


def test_DOS1_packets_that_lead_back_to_their_beginning_are_not_walked_round_for_ever() -> None:
    """48 kB, as long as an armored part may be: a cut two-octet length is -48765 if it is not looked at."""
    start = packet(2, bytes(27))
    walk = start + packet(2, bytes(48_798 - len(start) - 6))
    assert read_tags(walk) == [2, 2]
    assert read_tags(walk + b"\xc2") is None
    assert read_tags(walk + b"\xc2\xc0") is None


@pytest.mark.parametrize("first", [*range(224, 255)])
def test_PGP6_a_packet_in_pieces_is_refused(first: int) -> None:
    # were it no piece but a four-octet length, it would be whole
    assert read_tags(bytes([0xC2, first, 0, 0, 0, 10]) + bytes(10)) is None


def test_PGP7_the_text_is_gpgs_output_and_our_own_unescaping(world: World) -> None:
    stripped = b"\n".join(line.rstrip() for line in TEXT.split(b"\n"))
    crlf = world.block.replace(b"\n", b"\r\n")
    for block in (world.block, crlf, b"\r\n\r\n" + crlf + b" \r\n", world.block.strip()):
        verdict = world.officers.verify_inline(block, NOW)
        assert isinstance(verdict, Verified)
        assert (verdict.output, verdict.fingerprint) == (stripped, world.key)


def test_PGP7_blanks_at_line_ends_are_unsigned_and_are_not_read(world: World) -> None:
    padded = world.block.replace("承認\n".encode(), "承認 \t \n".encode())
    verdict = world.officers.verify_inline(padded, NOW)
    assert isinstance(verdict, Verified)
    assert "\n承認\n".encode() in (verdict.output or b"")


@pytest.mark.parametrize(
    "text", ["一行", "", "\n", "最後に改行なし\n-", "- ", "終\n\n\n", "\x1b$B>5G'\x1b(B\n"]
)
def test_PGP7_every_honest_text_is_read_or_refused_never_read_wrong(world: World, text: str) -> None:
    verdict = world.officers.verify_inline(clearsign(world.home, world.key, text.encode()), NOW)
    assert isinstance(verdict, Verified)
    assert (verdict.output or b"").rstrip(b"\n") == text.encode().rstrip()


def test_PGP7_a_changed_text_is_a_bad_signature(world: World) -> None:
    changed = world.block.replace("承認".encode(), "却下".encode())
    assert world.officers.verify_inline(changed, NOW) is Reason.BAD_SIGNATURE


BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----\n"
HASH = b"Hash: SHA256\n"


def _crafted(b: bytes) -> list[bytes]:
    return [
        b"text before\n" + b,
        b + b"text behind\n",
        b + b,
        b.replace(BEGIN, b"-----BEGIN PGP SIGNED MESSAGE----- \n"),
        b.replace(HASH, b""),
        b.replace(HASH, b"Hash: SHA256\nComment: x\n"),
        b.replace(HASH, b"Comment: x\n"),
        b.replace(HASH, b"hash: SHA256\n"),
        b.replace(HASH, b"Hash: SHA256 \n"),
        b.replace(HASH, b"Hash: SHA256,\n"),
        b.replace(HASH, b"Hash: WHIRLPOOL\n"),
        b.replace(HASH, b"Hash: \n"),
        b.replace(HASH, b"Charset: utf-7\n"),
        b.replace(HASH, HASH + "承認\n".encode()),
        b.replace(b"\n- - ", b"\n-x"),
        b.replace(b"\n=", b"\n!="),
        b.replace(HASH, b"Hash: SHA256\nNotDashEscaped: You need GnuPG\n"),
        # a second armor header line that gpg might take for text, or the other way round
        b.replace(HASH + b"\n", HASH + b" \n"),
        b.replace(HASH + b"\n", HASH + b"\t\nHash: SHA256\n\n"),
        b.replace(HASH + b"\n", HASH + b"\x0b\n"),
        b.replace(HASH + b"\n", HASH + b"\x0c\n\n"),
        b.replace(HASH + b"\n", HASH),
        b.replace(b"\n- - ", b"\n-"),
        b.replace("承認".encode(), "承\x00認".encode()),
        b.replace("承認".encode(), "承\r認".encode()),
        b.replace("承認".encode(), "承\x0c認".encode()),
        b.replace(b"code", b"x" * 8000),
        b.replace(b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----"),
        b.replace(b"-----END PGP SIGNATURE-----\n", b""),
        b.replace(b"> quoted", b"-----BEGIN PGP SIGNATURE-----\n\n> quoted"),
        b"",
        b"\n",
        BEGIN,
        "ただのメール\n".encode(),
    ]


def test_PGP7_a_block_that_two_programs_could_read_in_two_ways_is_refused(world: World) -> None:
    for block in _crafted(world.block):
        assert world.officers.verify_inline(block, NOW) is Reason.SIGNATURE_BLOCK, block


def test_PGP7_a_line_too_long_for_gpg_is_refused_though_gpg_calls_it_good(world: World) -> None:
    block = clearsign(world.home, world.key, b"x" * 30_000)
    assert world.officers.verify_inline(block, NOW) is Reason.SIGNATURE_BLOCK


@pytest.mark.parametrize("digest", ["SHA1", "RIPEMD160"])
def test_PGP7_a_weak_digest_is_refused_in_the_header_and_in_the_signature(world: World, digest: str) -> None:
    block = clearsign(world.home, world.key, TEXT, digest)
    assert world.officers.verify_inline(block, NOW) is Reason.WEAK_DIGEST
    disguised = block.replace(digest.encode(), b"SHA256")
    assert isinstance(world.officers.verify_inline(disguised, NOW), Reason)


@pytest.mark.parametrize(
    "headers", [b"Hash: SHA512\nHash: SHA256\n", b"Hash: SHA256, SHA512\n", b"Hash: SHA512,SHA256\n"]
)
def test_PGP7_the_allowed_armor_headers_are_read_past(world: World, headers: bytes) -> None:
    assert isinstance(read_clearsigned(world.block.replace(HASH, headers)), ClearsignedBlock)
    assert isinstance(world.officers.verify_inline(world.block.replace(HASH, headers), NOW), Verified)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"SIGNATURE-----\n\n", b"SIGNATURE-----\nComment: again\n\n"),
        ("承認\n".encode(), "承認 \t\n".encode()),
        (b"\n", b"\r\n"),
    ],
    ids=["armor header", "blanks at a line's end", "line ends"],
)
def test_AP1_a_block_sent_again_in_other_armor_is_the_same_signed_text(
    world: World, old: bytes, new: bytes
) -> None:
    again = world.block.replace(old, new)
    assert again != world.block
    verdicts = [world.officers.verify_inline(block, NOW) for block in (world.block, again)]
    assert len({verdict.output for verdict in verdicts if isinstance(verdict, Verified)}) == 1
    assert all(isinstance(verdict, Verified) for verdict in verdicts)


def test_PGP7_two_signatures_in_a_block_are_refused(world: World) -> None:
    start = world.block.index(b"-----BEGIN PGP SIGNATURE")
    packets = dearmor(world.block[start:])
    block = world.block[:start] + armor(packets + packets)
    assert world.officers.verify_inline(block, NOW) is Reason.SEVERAL_SIGNATURES


def test_PGP7_a_block_cut_anywhere_is_refused(world: World) -> None:
    whole = world.block.strip()
    for length in range(len(whole)):
        assert isinstance(read_clearsigned(whole[:length]), Reason)
