"""Mails made to be expensive (threats DOS1): each is read, judged and handled as any other."""

import base64
import zlib
from collections.abc import Callable
from functools import cache

from asn1crypto import pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.applications import tsv, tsv_line
from tests.corpus.court import APPLICANT
from tests.corpus.forging import Forge, mail

HEAD = f"From: {APPLICANT}\r\nTo: ringi@example.ac.jp\r\nMIME-Version: 1.0\r\n".encode()
SUBJECT = b"Subject: =?utf-8?b?55m66KGM?=\r\n"  # 発行
MEGABYTE = 2**20
_FILL = 5 * MEGABYTE - 4096


def with_file(data: bytes, name: str = "a.tsv") -> bytes:
    """An application whose file holds these bytes."""
    return (
        HEAD
        + SUBJECT
        + f'Content-Type: application/octet-stream; name="{name}"\r\n'.encode()
        + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(data)
    )


def with_text(text: bytes, kind: bytes = b"text/plain; charset=utf-8") -> bytes:
    return HEAD + SUBJECT + b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text


def with_header(block: bytes) -> bytes:
    return HEAD + block + b"\r\nhello\r\n"


def nested(levels: int) -> bytes:
    body = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels)
    )
    return HEAD + body


def fifty_parts(part: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for _ in range(50))
    return HEAD + SUBJECT + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body + b"--b--\r\n"


def report(fields: bytes) -> bytes:
    return (
        b"From: MAILER-DAEMON@example.ac.jp\r\nReturn-Path: <>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + fields + b"\r\n--b--\r\n"
    )


def told(text: bytes) -> bytes:
    """A delivery report in words."""
    return b"From: MAILER-DAEMON@example.ac.jp\r\nReturn-Path: <>\r\n\r\n" + text


def detached(
    signature: bytes, kind: str, entity: bytes = b"Content-Type: text/plain\r\n\r\nAPPROVE\r\n"
) -> bytes:
    head = f'Content-Type: multipart/signed; protocol="application/{kind}"; boundary=b\r\n\r\n'.encode()
    code = f"--b\r\nContent-Type: application/{kind}\r\n".encode()
    if kind == "pkcs7-signature":
        code += b"Content-Transfer-Encoding: base64\r\n"
        signature = base64.encodebytes(signature)
    return HEAD + head + b"--b\r\n" + entity + b"\r\n" + code + b"\r\n" + signature + b"\r\n--b--\r\n"


def armored(packets: bytes) -> bytes:
    block = base64.encodebytes(packets).replace(b"\n", b"\r\n")
    return b"-----BEGIN PGP SIGNATURE-----\r\n\r\n" + block + b"-----END PGP SIGNATURE-----\r\n"


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def compressed_bomb() -> bytes:
    """Some 40 MB of zeros in 40 kB, in a packet that a signature part may not hold."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packet(8, b"\x01" + deflate.compress(bytes(40 * MEGABYTE)) + deflate.flush())


def rows(csr: str, count: int = 99) -> bytes:
    return tsv(*(tsv_line(f"h{n}.example.ac.jp", c7=csr) for n in range(count)))


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def _integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def rsa_csr(n: int, e: int) -> str:
    """A request with any numbers for its RSA key; its signature is nonsense of the right length."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "h0.example.ac.jp")]).public_bytes()
    key = _der(0x30, _integer(n) + _integer(e))
    spki = _der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + _der(3, b"\0" + key))
    info = _der(0x30, _integer(0)[:2] + b"\0" + subject + spki + b"\xa0\x00")
    sha256 = bytes.fromhex("300d06092a864886f70d01010b0500")
    signature = _der(3, b"\0" + b"\x01" * ((n.bit_length() + 7) // 8))
    return one_line(_der(0x30, info + sha256 + signature))


def one_line(der: bytes) -> str:
    return pem.armor("CERTIFICATE REQUEST", der).decode().replace("\n", "")


@cache
def dsa_csr() -> str:
    key = dsa.generate_private_key(3072)
    return one_line(_request(key, "h0.example.ac.jp"))


@cache
def many_names_csr() -> str:
    return one_line(_request(ec.generate_private_key(ec.SECP521R1()), "h0.example.ac.jp", 400))


def _request(key: dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey, name: str, names: int = 1) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    listed = x509.SubjectAlternativeName([x509.DNSName(f"{n}.{name}") for n in range(names)])
    return builder.add_extension(listed, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _odd(bits: int) -> int:
    """Without a small factor, so that every test of weak keys runs to its end."""
    return int.from_bytes(b"\xc5" * (bits // 8), "big") * 0 + (3 ** int(bits / 1.585) * 2 | 1) % (
        1 << bits
    ) | (1 << (bits - 1))


def deep_asn1(tag: int, levels: int) -> bytes:
    body = b"\x02\x01\x01"
    for _ in range(levels):
        body = _der(tag, body)
    return body


def indefinite(levels: int) -> bytes:
    return b"\x30\x80" * levels + b"\0\0" * levels


def cms_of_sets(count: int) -> bytes:
    """SignedData with so many certificates and signers that are none."""
    data = bytes.fromhex("06092a864886f70d010701")
    digests = _der(0x31, b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01" * count)
    certificates = _der(0xA0, b"\x30\x03\x02\x01\x01" * count)
    signers = _der(0x31, b"\x30\x03\x02\x01\x01" * count)
    signed = _der(0x30, b"\x02\x01\x01" + digests + _der(0x30, data) + certificates + signers)
    return _der(0x30, bytes.fromhex("06092a864886f70d010702") + _der(0xA0, signed))


@cache
def full_file() -> bytes:
    """The most that an honest mail may ask for."""
    return with_file(tsv(*(tsv_line(f"full{n}.example.ac.jp") for n in range(99))))


CODE = b"01234567-01234567-01234567-01234567"

_NO_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n=abcd\n-----END PGP SIGNATURE-----\n"
# name -> the mail; where a forge is needed, what makes it
HOSTILE: dict[str, Callable[[Forge], bytes]] = {
    "1,000 levels of parts": lambda f: nested(1000),
    "200,000 parameters": lambda f: with_header(b"Content-Type: text/plain" + b"; a=b" * 200_000),
    "20 parameters in 8 kB of sections": lambda f: with_header(
        b"Content-Type: text/plain"
        + b"".join(b"; n*%d*=utf-8''" % n + b"%41" * 100 for n in range(19))
        + b"\r\n"
    ),
    "backslashes in a parameter": lambda f: with_header(
        b'Content-Type: text/plain; a="' + b"\\" * 8000 + b"\r\n"
    ),
    "a subject folded 1,000,000 times": lambda f: HEAD + b"Subject: " + b"a\r\n " * 10**6 + b"\r\n\r\nx",
    "a subject of 100 encoded words": lambda f: with_header(
        b"Subject: " + b"=?utf-8?b?" * 99 + b"?=" * 99 + b"\r\n"
    ),
    "200 headers of encoded words": lambda f: with_header(
        b"".join(b"From: " if not n else b"X: " for n in range(1))
        + b"=?utf-8?q?a?= " * 99
        + b"\r\n"
        + b"List: x\r\n" * 200
    ),
    "100,000 headers": lambda f: with_header(b"X: y\r\n" * 100_000),
    "a From of quotes and comments": lambda f: b"From: " + b'"a"(b)' * 1300 + b"\r\n\r\nx",
    "a From of open quotes": lambda f: b"From: " + b'"' * 8000 + b"\r\n\r\nx",
    "a From of encoded words": lambda f: b"From: " + b"=?a?b?" * 99 + b"c" * 7000 + b"\r\n\r\nx",
    "a From of dots": lambda f: b"From: a@" + b"a." * 4000 + b"\r\n\r\nx",
    "References of 8 kB": lambda f: with_header(
        (b"References: " + b"<" * 8000 + b"\r\n") + b"In-Reply-To: " + b"<a@b>" * 1500 + b"\r\n"
    ),
    "Authentication-Results of 8 kB": lambda f: with_header(
        b"Authentication-Results: " + b"a;" * 4000 + b"\r\n"
    ),
    "To of 8 kB": lambda f: HEAD.replace(b"To: ringi@example.ac.jp", b"To: " + b"a+" * 4000) + b"\r\nx",
    "5 MB of boundary-like lines": lambda f: (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b \t x\r\n" * 500_000
    ),
    "50 parts of 100 kB of text": lambda f: fifty_parts(
        b"Content-Type: text/plain\r\n\r\n" + b"-----BEGIN PGP \r\n" * 5500
    ),
    "5 MB of base64 without padding": lambda f: (
        with_text(b"").replace(b"8bit", b"base64") + b"TUlJ" * (_FILL // 4 - 100) + b"T"
    ),
    "5 MB of quoted-printable": lambda f: (
        with_text(b"").replace(b"8bit", b"quoted-printable") + b"=3D" * (_FILL // 3 - 100)
    ),
    "5 MB of MIIs, as keys begin": lambda f: with_text(b"MIIEvAIBADANBgkqhkiG9w0BA " * (_FILL // 26)),
    "5 MB of key marks": lambda f: with_text(b"--BEGIN " * (_FILL // 8)),
    "5 MB of dashes and spaces": lambda f: with_text(b"--" + b" " * (_FILL // 2) + b"--" * (_FILL // 4)),
    "5 MB of NUL": lambda f: with_text(b"\0" * _FILL),
    "5 MB of escapes": lambda f: with_text(b"\x1b$B" * (_FILL // 3), b"text/plain; charset=iso-2022-jp"),
    "5 MB of quote marks": lambda f: with_text(b"> " * (_FILL // 2)),
    "256 kB of one word of decision": lambda f: with_text(b"APPROVE " + b"1," * 120_000),
    "256 kB of decisions": lambda f: with_text(b"APPROVE 1\n" * 26_000),
    "256 kB of codes": lambda f: with_text(CODE * 7000),
    "256 kB of hex": lambda f: with_text(b"0" * 260_000),
    "256 kB of half codes": lambda f: with_text(b"01234567-01234567-01234567- " * 9000),
    "256 kB that NFKC makes 18 times longer": lambda f: with_text("ﷺ".encode() * 87_000),
    "256 kB of combining marks": lambda f: with_text(b"a" + "\u0301\u0323".encode() * 65_000),
    "256 kB of empty flowed lines": lambda f: with_text(
        b">" * 100 + b" \n" * 130_000, b"text/plain; format=flowed; delsp=yes"
    ),
    "256 kB of markers": lambda f: with_text("──── Ringi ─".encode() * 9000),
    "256 kB of reply tokens": lambda f: with_text(b"ABCD-EFGH-JKLM-NPQR " * 13_000),
    "STATUS of 256 kB": lambda f: with_text(b"STATUS " + b"a." * 120_000),
    "1 MB of TABs": lambda f: with_file(b"\t" * (MEGABYTE - 1)),
    "1 MB of quotes": lambda f: with_file(b'"\t"' * (MEGABYTE // 3 - 1)),
    "1 MB of newlines": lambda f: with_file(b"\t" + b"\n" * (MEGABYTE - 2)),
    "1 MB of rows of one TAB": lambda f: with_file(b"\t\n" * (MEGABYTE // 2 - 1)),
    "4 MB of file": lambda f: with_file(b"\t" * (3 * MEGABYTE)),
    "99 rows of 13 cells of 800 bytes": lambda f: with_file(tsv(*["\t".join(["x" * 800] * 13)] * 99)),
    "99 rows with a DN of 10 kB": lambda f: with_file(
        tsv(*[tsv_line(c7="x", c1="CN=" + "OU=a," * 2000)] * 99)
    ),
    "99 rows with names of 10 kB": lambda f: with_file(
        tsv(*[tsv_line(c7="x", c13="dNSName=" + "a.example.ac.jp," * 640)] * 99)
    ),
    "99 rows with a punycode name of 10 kB": lambda f: with_file(
        tsv(*[tsv_line(c7="x", c11="xn--" + "a" * 10_000 + ".example.ac.jp")] * 99)
    ),
    "99 rows with a mail address of 10 kB": lambda f: with_file(
        tsv(*[tsv_line(c7="x", c10="a." * 5000 + "@example.ac.jp")] * 99)
    ),
    "99 rows that NFKC makes longer": lambda f: with_file(
        "\n".join("\t".join(["ﷺ" * 250] * 13) for _ in range(99)).encode()
    ),
    "99 rows of numbers of 10,000 digits": lambda f: with_file(
        tsv(*[tsv_line(c7="x", c2="1" * 10_000, c4="1" * 300)] * 99)
    ),
    "99 CSRs of RSA-16384": lambda f: with_file(rows(rsa_csr(_odd(16_384), 65_537))),
    "99 CSRs of RSA-16384, e of 64 bits": lambda f: with_file(rows(rsa_csr(_odd(16_384), (1 << 64) - 59))),
    "99 CSRs of RSA-3072, e of 3071 bits": lambda f: with_file(rows(rsa_csr(_odd(3072), _odd(3071)))),
    "99 CSRs of RSA-2048, e of 2047 bits": lambda f: with_file(rows(rsa_csr(_odd(2048), _odd(2047)))),
    "99 CSRs of RSA-60000": lambda f: with_file(rows(rsa_csr(_odd(60_000), 65_537))),
    "99 CSRs of DSA-3072": lambda f: with_file(rows(dsa_csr())),
    "99 CSRs of 400 names": lambda f: with_file(rows(many_names_csr())),
    "99 CSRs of deep ASN.1": lambda f: with_file(rows(one_line(deep_asn1(0x30, 1800)))),
    "CMS 5,000 deep": lambda f: detached(deep_asn1(0x30, 5000), "pkcs7-signature"),
    "CMS 500,000 deep, no length": lambda f: detached(indefinite(500_000), "pkcs7-signature"),
    "CMS of 100,000 certificates": lambda f: detached(cms_of_sets(100_000), "pkcs7-signature"),
    "CMS of 3 MB of zeros": lambda f: detached(_der(0x30, bytes(3 * MEGABYTE)), "pkcs7-signature"),
    "an OpenPGP packet of 40 MB compressed": lambda f: detached(armored(compressed_bomb()), "pgp-signature"),
    "OpenPGP: 40 kB of signatures": lambda f: detached(
        armored(packet(2, b"\x04\x00\x16\x0a" + bytes(60)) * 600), "pgp-signature"
    ),
    "OpenPGP: armor of 64 kB of headers": lambda f: detached(
        b"-----BEGIN PGP SIGNATURE-----\r\n" + b"A: b\r\n" * 10_000, "pgp-signature"
    ),
    "OpenPGP: armor of 64 kB of spaces": lambda f: detached(
        b"\r\n" * 30_000 + b"-----BEGIN PGP SIGNATURE----", "pgp-signature"
    ),
    "OpenPGP: armor of 64 kB of blank ends": lambda f: detached(
        b"-----BEGIN PGP SIGNATURE-----\r\n\r\n" + b"A \t \t \t \t\r\n" * 5000, "pgp-signature"
    ),
    "OpenPGP: a good signature over 3 MB": lambda f: f.of_text("x\n" * MEGABYTE),
    "OpenPGP: a good signature by a stranger over 4 MB": lambda f: (
        f.of_text("x\n" * 2 * MEGABYTE, "stranger")
        if "stranger" in f.court.people.signers
        else f.of_text("y\n" * 2 * MEGABYTE)
    ),
    "clearsigned, 2 MB of dashes": lambda f: with_text(
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + b"- -\n" * 400_000
    ),
    "clearsigned, 2 MB of dashes, whole": lambda f: with_text(
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + b"- -\n" * 400_000 + _NO_SIGNATURE
    ),
    "a report of 64 kB of groups": lambda f: report(
        b"Final-Recipient: rfc822; a@b\r\nAction: failed\r\n\r\n" * 1200
    ),
    "a report of blank lines": lambda f: report(b"\r\n \t\r\n" * 10_000),
    "a report of blanks": lambda f: report(b"\r\n" + b" \t" * 30_000),
    "a report in words of 256 kB": lambda f: told(
        b"Hi. This is the " + b"a" * 250 + b"\nmessage from yahoo\n" * 10_000
    ),
    "a report of paragraphs": lambda f: told(b"user unknown\n" + b"\n \t" * 80_000),
    "a report of addresses": lambda f: told(b"user unknown\n" + b"a" * 16_000 + b"@" + b"a." * 50_000),
    "a report of dashes": lambda f: told(b"user unknown\n" + b"-" * 250_000),
    "a report of 宛先": lambda f: told(b"user unknown\n" + "宛先".encode() * 40_000),
    "a mail in a mail, 3 MB": lambda f: fifty_parts(
        b"Content-Type: message/rfc822\r\n\r\n" + HEAD + b"\r\n" + b"x" * 60_000
    ),
}
__all__ = ["HOSTILE", "full_file", "mail"]
