"""Attacks on OpenPGP signatures: PGP1 to PGP7."""

import base64
from collections.abc import Callable
from datetime import timedelta

from handlers.rules.reasons import Reason
from tests.corpus.forging import PGP, Attack, Forge, mail, wrap
from tests.corpus.mime import attachment, multipart, text_part
from tests.corpus.people import RAW
from tests.keys import export_key, run_gpg
from tests.openpgp_packets import armor, dearmor, packet

Maker = Callable[[Forge], bytes]
_A_DAY_LATER = "20200102T000000"


def _with(block: Callable[[Forge, bytes], bytes], who: str = "suzuki") -> Maker:
    """A mail whose signature part is made from the signed entity."""

    def make(f: Forge) -> bytes:
        entity = f.entity()
        octets = block(f, entity).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return mail(wrap(entity, octets), sender=f"{who}@example.ac.jp")

    return make


def _round_walk() -> bytes:
    """A reader that takes the cut length at the end for a whole one goes back by 48,765 bytes, for ever."""
    start = packet(2, bytes(27))
    packets = start + packet(2, bytes(48_798 - len(start) - 6)) + b"\xc2\xc0"
    # in one line: with line ends it would be over the limit of a signature part
    return b"-----BEGIN PGP SIGNATURE-----\n\n%b\n-----END PGP SIGNATURE-----\n" % base64.b64encode(packets)


def _joined(*makers: Callable[[Forge, bytes], bytes]) -> Maker:
    """Several signature packets in one block."""
    return _with(lambda f, e: armor(b"".join(make(f, e) for make in makers)))


def _good(f: Forge, entity: bytes) -> bytes:
    return dearmor(f.court.people.sign("suzuki", entity))


def _bad(f: Forge, entity: bytes) -> bytes:
    return dearmor(f.court.people.sign("suzuki", b"other"))


def _colleague(f: Forge, entity: bytes) -> bytes:
    return dearmor(f.court.people.sign("tanaka", entity))


def _stranger(f: Forge, entity: bytes) -> bytes:
    return dearmor(f.court.people.sign("stranger", entity))


def _literal(f: Forge, entity: bytes) -> bytes:
    return packet(11, b"b\x00" + bytes(4) + entity)


def _opaque(f: Forge, entity: bytes) -> bytes:
    people = f.court.people
    return run_gpg(
        people.home, "--local-user", people.openpgp("suzuki").pin, "--armor", "--sign", stdin=entity
    )


def _pgp2() -> list[Attack]:
    weak, several, block = Reason.WEAK_DIGEST, Reason.SEVERAL_SIGNATURES, Reason.SIGNATURE_BLOCK

    def by(digest: str, who: str = "suzuki") -> Maker:
        return _with(lambda f, e: f.armor(e, who, digest), who)

    rows = [
        ("SHA-1", by("SHA1"), weak),
        ("SHA-1 by RSA", by("SHA1", "tanaka"), weak),
        ("RIPEMD-160", by("RIPEMD160"), weak),
        ("MD5", by("MD5", "tanaka"), weak),
        ("over other bytes", _with(lambda f, e: f.armor(b"other")), Reason.BAD_SIGNATURE),
        ("over another mail of the officer's", _with(lambda f, e: f.armor(f.entity("却下: x"))), Reason.BAD_SIGNATURE),
        ("good and bad", _joined(_good, _bad), several),
        ("bad and good", _joined(_bad, _good), several),
        ("good twice", _joined(_good, _good), several),
        ("a stranger's and a good one", _joined(_stranger, _good), several),
        ("a colleague's too", _joined(_good, _colleague), several),
        ("opaque offered as detached", _with(_opaque), block),
        ("literal data before it", _joined(_literal, _good), block),
        ("literal data behind it", _joined(_good, _literal), block),
        ("a clearsigned block as signature", _with(lambda f, e: f.block(who="suzuki")), block),
        ("truncated", _with(lambda f, e: armor(_good(f, e)[:-7])), block),
        ("packets that lead back to their beginning", _with(lambda f, e: _round_walk()), block),
        ("an experimental packet beside it", _joined(_good, lambda f, e: packet(60, b"x")), block),
        ("a marker packet before it", _joined(lambda f, e: packet(10, b"PGP"), _good), block),
    ]  # fmt: skip
    return [Attack("PGP2", name, make, reason) for name, make, reason in rows]


def _pgp3() -> list[Attack]:
    unknown = Reason.UNKNOWN_KEY

    def by_stranger(f: Forge) -> bytes:
        return mail(f.sealed(f.entity(), "stranger"))

    def with_key(f: Forge) -> bytes:
        people = f.court.people
        key = export_key(people.home, people.openpgp("stranger").pin)
        entity = multipart("mixed", "=-k", [f.entity(), attachment("application/pgp-keys", "key.asc", key)])
        return mail(f.sealed(entity, "stranger"))

    autocrypt = b"Autocrypt: addr=suzuki@example.ac.jp; keydata=mDMEaSE=\r\n"
    rows = [
        ("a stranger's key", by_stranger, unknown),
        ("a stranger's key that comes along", with_key, unknown),
        (
            "a stranger's key by Autocrypt",
            lambda f: mail(f.sealed(f.entity(), "stranger"), extra=autocrypt),
            unknown,
        ),
        ("a key of the same name and address", lambda f: mail(f.sealed(f.entity(), "impostor")), unknown),
        ("a colleague's key", lambda f: mail(f.sealed(f.entity(), "tanaka")), Reason.FROM_MISMATCH),
        (
            "an officer of another institution",
            lambda f: mail(f.sealed(f.entity(), "watanabe")),
            Reason.FROM_MISMATCH,
        ),
        ("a retired key", lambda f: f.good(who="retired"), Reason.KEY_RETIRED),
        ("a key that is to come", lambda f: f.good(who="upcoming"), Reason.KEY_NOT_YET),
    ]
    return [Attack("PGP3", name, make, reason) for name, make, reason in rows]


def _of_class(kind: int, digest: int = 8) -> Maker:
    def make(f: Forge) -> bytes:
        entity = f.entity()
        return mail(
            wrap(entity, armor(RAW.signature(kind, entity, digest)).replace(b"\n", b"\r\n")),
            "raw@example.ac.jp",
        )

    return make


def _pgp4() -> list[Attack]:
    refused = Reason.SIGNATURE_CLASS
    rows = [(f"class {kind:02x}", _of_class(kind), refused) for kind in (0x02, 0x10, 0x13, 0x18, 0x40, 0x50)]
    return [Attack("PGP4", name, make, reason) for name, make, reason in rows]


def _pgp5() -> list[Attack]:
    def expired_signature(f: Forge, entity: bytes) -> bytes:
        return f.armor(entity, "old", "SHA256", "--default-sig-expire", "1d", at="20200101T000000")

    def good(f: Forge) -> bytes:
        return f.good()

    return [
        Attack("PGP5", "signed far ahead",
               _with(lambda f, e: f.armor(e, at="20800101T000000")), Reason.SIGNED_IN_FUTURE),
        Attack("PGP5", "two hours ahead", good, Reason.SIGNED_IN_FUTURE, later=timedelta(hours=-2)),
        Attack("PGP5", "an expired key",
               _with(lambda f, e: f.armor(e, "expired", at=_A_DAY_LATER), "expired"), Reason.EXPIRED_KEY),
        Attack("PGP5", "a revoked key", lambda f: f.good(who="revoked"), Reason.REVOKED_KEY),
        Attack("PGP5", "an expired signature", _with(expired_signature, "old"), Reason.EXPIRED_SIGNATURE),
        Attack("PGP5", "arrived after the deadline", good, Reason.LAPSED, later=timedelta(days=40)),
    ]  # fmt: skip


def _pgp6() -> list[Attack]:
    block = Reason.SIGNATURE_BLOCK
    rows: list[tuple[str, Callable[[Forge, bytes], bytes]]] = [
        ("two blocks", lambda f, e: f.armor(e) + f.armor(e)),
        ("a bad block first", lambda f, e: f.armor(b"x") + f.armor(e)),
        ("text before", lambda f, e: b"APPROVE\r\n" + f.armor(e)),
        ("text behind", lambda f, e: f.armor(e) + b"APPROVE\r\n"),
        ("a key behind",
         lambda f, e: f.armor(e) + export_key(f.court.people.home, f.court.people.openpgp("stranger").pin)),
        ("a message's armor", lambda f, e: f.armor(e).replace(b"SIGNATURE", b"MESSAGE")),
        ("no armor", lambda f, e: b"\xc2\x5e\x04\x00"),
        ("no end", lambda f, e: f.armor(e).replace(b"-----END PGP SIGNATURE-----", b"")),
        ("no blank line", lambda f, e: f.armor(e).replace(b"\r\n\r\n", b"\r\n", 1)),
        ("a strange armor header", lambda f, e: f.armor(e).replace(b"\r\n\r\n", b"\r\nAPPROVE\r\n\r\n", 1)),
    ]  # fmt: skip
    return [Attack("PGP6", name, _with(make), block) for name, make in rows]


def _inline(before: bytes, after: bytes) -> Maker:
    """A block with something in it changed after signing."""

    def make(f: Forge) -> bytes:
        block = f.block()
        assert before in block, before
        return f.inline(block.replace(before, after, 1))

    return make


def _pgp7() -> list[Attack]:
    block, partial = Reason.SIGNATURE_BLOCK, Reason.PARTIAL_SIGNATURE
    hashed = b"Hash: SHA256\r\n"
    rows = [
        ("not allowed for this officer", lambda f: f.inline(who="suzuki"), Reason.INLINE_NOT_ALLOWED),
        ("text before", lambda f: f.inline("承認\r\n".encode() + f.block(f.text("確認中"))), partial),
        ("text behind", lambda f: f.inline(f.block(f.text("確認中")) + "承認\r\n".encode()), partial),
        ("two blocks", lambda f: f.inline(f.block(f.text("確認中")) + f.block()), partial),
        ("a list's footer", lambda f: f.inline(f.block() + b"_______\r\nlist\r\n"), partial),
        ("words among the armor headers", _inline(hashed, hashed + b"Comment: APPROVE\r\n"), block),
        ("a decision as a Hash header", _inline(hashed, hashed + b"Hash: APPROVE\r\n"), block),
        ("no Hash header", _inline(hashed, b""), block),
        ("SHA-1 in the Hash header", _inline(hashed, b"Hash: SHA1\r\n"), Reason.WEAK_DIGEST),
        ("SHA-1 beside", _inline(hashed, b"Hash: SHA256,SHA1\r\n"), Reason.WEAK_DIGEST),
        ("NotDashEscaped", _inline(hashed, hashed + b"NotDashEscaped: GnuPG v2\r\n"), block),
        ("text in the place of the blank line", _inline(hashed + b"\r\n", hashed + b"APPROVE\r\n\r\n"), block),
        ("a vertical tab in the Hash header", _inline(hashed, b"Hash: SHA256\v\r\n"), block),
        ("a form feed for the blank line", _inline(hashed + b"\r\n", hashed + b"\f\r\nAPPROVE\r\n\r\n"), block),
        ("a dash that is not escaped", _inline("承認".encode(), "承認\r\n-x".encode()), block),
        ("an escape too many", _inline("承認".encode(), "承認\r\n- - x".encode()), Reason.BAD_SIGNATURE),
        ("a decision put in", lambda f: f.inline(f.block(f.text("確認中")).replace("確認中".encode(), "承認".encode())),
         Reason.BAD_SIGNATURE),
        ("SHA-1", lambda f: f.inline(_weak_block(f)), Reason.WEAK_DIGEST),
        ("a stranger's", lambda f: f.inline(who="stranger"), Reason.UNKNOWN_KEY),
        ("a colleague's", lambda f: mail(text_part(f.block(who="tanaka").decode().replace("\r\n", "\n")),
                                         "sasaki@example.ac.jp"), Reason.INLINE_NOT_ALLOWED),
        ("a very long line", lambda f: f.inline(f.block(f.text("x" * 9000 + "\n承認"))), block),
        ("in HTML", lambda f: mail(multipart("alternative", "=-a", [
            text_part(f.block().decode().replace("\r\n", "\n")), text_part("<b>x</b>", subtype="html")]),
            "sasaki@example.ac.jp"), partial),
        ("a block offered as detached text", lambda f: mail(multipart("signed", "=-o", [
            text_part(f.text()), b"Content-Type: application/pgp-signature\r\n\r\n" + f.block()], PGP),
            "sasaki@example.ac.jp"), block),
    ]  # fmt: skip
    return [Attack("PGP7", name, make, reason) for name, make, reason in rows]


def _weak_block(f: Forge) -> bytes:
    people = f.court.people
    options = [
        "--local-user",
        people.openpgp("sasaki").pin,
        "--digest-algo",
        "SHA1",
        "--allow-weak-digest-algos",
    ]
    return run_gpg(people.home, *options, "--clear-sign", stdin=f.text().encode()).replace(b"\n", b"\r\n")


ATTACKS = (*_pgp2(), *_pgp3(), *_pgp4(), *_pgp5(), *_pgp6(), *_pgp7())
