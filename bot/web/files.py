"""A certificate as the file that a server program takes: PEM with or without the chain, DER, PKCS#7."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

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


def find_format(name: str | None) -> Format | None:
    return next((f for f in FORMATS if f.id == name), None)


def write_file(form: Format, fqdn: str, certificate: bytes, chain: Sequence[bytes]) -> File:
    """`certificate` and `chain` in DER; the file is called after `fqdn`, `*` becoming `_`."""
    load = x509.load_der_x509_certificate
    content = form.write(load(certificate), [load(der) for der in chain])
    return File(_safe(fqdn, "certificate") + form.ending, form.content_type, content)


def as_file(name: str, content: bytes) -> File:
    """A tab-separated file that was kept as it is."""
    return File(_safe(name, "file.tsv"), "text/tab-separated-values", content)


def _safe(name: str, otherwise: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", name).lstrip(".") or otherwise
