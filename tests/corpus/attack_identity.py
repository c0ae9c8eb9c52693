"""Attacks by who seems to write: ID1 to ID3."""

from collections.abc import Callable

from handlers.rules.reasons import Reason
from tests.corpus.attack_smime import ITO
from tests.corpus.forging import Attack, Forge, mail, wrap_cms

Maker = Callable[[Forge], bytes]


def _from(value: str, who: str = "tanaka", extra: bytes = b"") -> Maker:
    """Signed by a colleague, and a From that some programs read as somebody else's."""
    line = f"From: {value}\r\n".encode()
    return lambda f: mail(f.sealed(f.entity(), who), from_header=line, extra=extra)


def _id1() -> list[Attack]:
    bad, mismatch = Reason.BAD_FROM, Reason.FROM_MISMATCH
    suzuki, tanaka = "suzuki@example.ac.jp", "tanaka@example.ac.jp"
    rows = [
        ("two addresses, one in brackets", _from(f"{suzuki} <{tanaka}>"), bad),
        ("two addresses in a list", _from(f"{tanaka}, {suzuki}"), bad),
        ("a group", _from(f"officers: {tanaka};"), bad),
        ("a group with nobody in it", _from("officers:;"), bad),
        ("two pairs of brackets", _from(f"<{tanaka}> <{suzuki}>"), bad),
        ("a route", _from(f"<@example.jp:{tanaka}>"), bad),
        ("a quoted local part", _from('"tanaka"@example.ac.jp'), bad),
        ("an address in an open comment", _from(f"({suzuki} <{tanaka}>"), bad),
        ("no address", _from("Tanaka"), bad),
        ("empty", _from(""), bad),
        ("none at all", lambda f: mail(f.sealed(f.entity(), "tanaka"), from_header=b"X-From: x\r\n"), bad),
        ("a NUL in it", _from(f"{tanaka}\0@example.jp"), bad),
        ("a comment inside the address", _from("tanaka(x)@example.ac.jp"), bad),
        ("a domain literal", _from("tanaka@[192.0.2.1]"), bad),
        ("a letter of another script", _from("t\u0430naka@example.ac.jp"), bad),
        ("an address in an encoded word", _from("=?utf-8?b?dGFuYWthQGV4YW1wbGUuYWMuanA=?="), bad),
        ("the officer's name, another address", _from(f'"{tanaka}" <evil@example.jp>'), mismatch),
        ("a longer domain", _from("tanaka@example.ac.jp.example.jp"), mismatch),
        ("a shorter domain", _from("tanaka@ac.jp"), mismatch),
        ("a tag in the address", _from("tanaka+x@example.ac.jp"), mismatch),
        ("a colleague as From", _from(suzuki), mismatch),
        ("the officer only as Sender", _from("evil@example.jp", extra=f"Sender: {tanaka}\r\n".encode()), mismatch),
        ("the officer only as Reply-To", _from("evil@example.jp", extra=f"Reply-To: {tanaka}\r\n".encode()), mismatch),
        ("the officer only as Resent-From",
         _from("evil@example.jp", extra=f"Resent-From: {tanaka}\r\n".encode()), mismatch),
        ("a stolen mail under the thief's name", lambda f: mail(f.sealed(f.entity()), "evil@example.jp"), mismatch),
        ("S/MIME of another officer", _smime_of_another, mismatch),
        ("a folded second address", _from(f"{tanaka},\r\n {suzuki}"), bad),
    ]  # fmt: skip
    return [Attack("ID1", name, make, reason) for name, make, reason in rows]


def _smime_of_another(f: Forge) -> bytes:
    entity = f.entity()
    return mail(wrap_cms(entity, f.court.persons["smime_kato"].sign_detached(entity)), f"{ITO}@example.ac.jp")


def _signed_from(line: str) -> Maker:
    return lambda f: f.of_entity(f"{line}\r\n".encode() + f.entity())


def _id2() -> list[Attack]:
    differs = Reason.SIGNED_FROM_DIFFERS
    rows = [
        ("another officer signed", _signed_from("From: tanaka@example.ac.jp"), differs),
        ("a stranger signed", _signed_from("From: Suzuki <evil@example.jp>"), differs),
        ("another of the officer's own addresses", _signed_from("From: office@example.ac.jp"), differs),
        ("two mailboxes signed", _signed_from("From: suzuki@example.ac.jp, evil@example.jp"), Reason.BAD_FROM),
        ("the trick of brackets signed", _signed_from("From: suzuki@example.ac.jp <evil@example.jp>"), Reason.BAD_FROM),
        ("two signed", _signed_from("From: suzuki@example.ac.jp\r\nFrom: evil@example.jp"), Reason.DUPLICATE_HEADER),
        ("an empty one signed", _signed_from("From:"), Reason.BAD_FROM),
    ]  # fmt: skip
    return [Attack("ID2", name, make, reason) for name, make, reason in rows]


def _own_by_shared_address(f: Forge) -> bytes:
    """From another of her addresses: the application came from one of them."""
    sealed = f.sealed(f.entity(application="contact"), "tanaka")
    return mail(sealed, "office@example.ac.jp")


def _id3() -> list[Attack]:
    own, foreign = Reason.OWN_APPLICATION, Reason.FOREIGN_INSTITUTION
    rows = [
        ("the sender approves", lambda f: f.good(who="kobayashi", application="own"), own),
        ("the sender approves one row", lambda f: f.good("承認 1", "kobayashi", "own"), own),
        ("the contact approves", lambda f: f.good(who="tanaka", application="contact"), own),
        ("the contact, by another address", _own_by_shared_address, own),
        ("another institution's officer approves", lambda f: f.good(who="watanabe"), foreign),
        ("another institution's officer declines", lambda f: f.good("却下: x", "watanabe"), foreign),
        ("another institution's officer holds", lambda f: f.good("保留: x", "watanabe"), foreign),
        ("an officer for another institution", lambda f: f.good(application="foreign"), foreign),
        ("an officer asks for another institution", lambda f: f.good("何か", application="foreign"), foreign),
    ]
    return [Attack("ID3", name, make, reason) for name, make, reason in rows]


ATTACKS = (*_id1(), *_id2(), *_id3())
