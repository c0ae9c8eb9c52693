"""A certificate as the file that a server program takes: PEM with and without its chain, the chain, DER, PKCS#7."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from handlers.context import Context

Chain = Sequence[x509.Certificate]


@dataclass(frozen=True)
class Format:
    """One button of the page. `write` gets the certificate and the chain above it, nearest first."""

    id: str
    ending: str
    content_type: str
    write: Callable[[x509.Certificate, Chain], bytes]


def _pem(certificates: Chain) -> bytes:
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates)


FORMATS = (
    Format(
        "fullchain",
        "-fullchain.pem",
        "application/x-pem-file",
        lambda certificate, chain: _pem([certificate, *chain]),
    ),
    Format("pem", ".pem", "application/x-pem-file", lambda certificate, _: _pem([certificate])),
    Format("chain", "-chain.pem", "application/x-pem-file", lambda _, chain: _pem(chain)),
    Format(
        "pkcs7",
        ".p7b",
        "application/x-pkcs7-certificates",
        lambda certificate, chain: pkcs7.serialize_certificates([certificate, *chain], Encoding.DER),
    ),
    Format(
        "der", ".cer", "application/pkix-cert", lambda certificate, _: certificate.public_bytes(Encoding.DER)
    ),
)


@dataclass(frozen=True)
class File:
    """What the browser saves. `name` is safe in a header and on every file system (threats INJ1, INJ5)."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class LongFile:
    """The same for a file of any length: its content is made line by line, in a transaction that only reads."""

    name: str
    content_type: str
    lines: Callable[[Context], Iterator[bytes]]


def find_format(name: str | None) -> Format | None:
    return next((f for f in FORMATS if f.id == name), None)


def write_file(form: Format, fqdn: str, certificate: bytes, chain: Sequence[bytes]) -> File:
    """`certificate` and `chain` in DER; the file is called after `fqdn`, `*` becoming `_`."""
    load = x509.load_der_x509_certificate
    content = form.write(load(certificate), [load(der) for der in chain])
    return File(file_name(form, fqdn), form.content_type, content)


def file_name(form: Format, fqdn: str) -> str:
    return _safe(fqdn, "certificate") + form.ending


def as_list(name: str, lines: Callable[[Context], Iterator[bytes]]) -> LongFile:
    """A tab-separated file."""
    return LongFile(_safe(name, "file.tsv"), "text/tab-separated-values", lines)


def _safe(name: str, otherwise: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", name).lstrip(".") or otherwise
