"""What applicants make, by the thousand: keys, requests, rows. The same seed gives the same names and pairs of primes;
the primes of a run are random."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

APPLICANT = "shinsei@cc.example.ac.jp"
DOMAIN = "example.ac.jp"
_RSA_PROFILE, _EC_PROFILE = "3", "11"
_PRIMES = 48
_E = 65537


class RsaKeys:
    """2,304 different RSA keys from 96 primes: each of one half times each of the other. To make as many by
    themselves would take minutes, and to read, to check and to sign costs the same. Not for secrets."""

    def __init__(self, folder: Path, bits: int = 2048) -> None:
        """`folder`: keeps the primes for the other cases of a run."""
        file = folder / f"primes-{bits}.json"
        if not file.exists():
            found = [rsa.generate_private_key(_E, bits).private_numbers() for _ in range(_PRIMES)]
            file.write_text(json.dumps([[key.p for key in found], [key.q for key in found]]))
        self._p, self._q = json.loads(file.read_text())

    def __len__(self) -> int:
        return len(self._p) * len(self._q)

    def key(self, n: int) -> rsa.RSAPrivateKey:
        """The same for the same `n`, below `len`."""
        row, column = divmod(n, len(self._p))
        p, q = self._p[column], self._q[(column + row) % len(self._q)]
        d = pow(_E, -1, (p - 1) * (q - 1))
        public = rsa.RSAPublicNumbers(_E, p * q)
        numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def ec_key(seed: int, n: int) -> ec.EllipticCurvePrivateKey:
    """P-384, the same for the same numbers; 40,000 a second."""
    secret = hashlib.sha384(f"{seed} {n}".encode()).digest()[:-1]
    return ec.derive_private_key(int.from_bytes(secret, "big") + 1, ec.SECP384R1())


def fqdns(seed: int, count: int) -> list[str]:
    """Different host names below DOMAIN."""
    return [f"h{n}-{hashlib.sha256(f'{seed} {n}'.encode()).hexdigest()[:6]}.{DOMAIN}" for n in range(count)]


def make_csr(
    fqdn: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> x509.CertificateSigningRequest:
    """As `openssl req` makes it for the rows of `tsv_row`."""
    values = {
        NameOID.COUNTRY_NAME: "JP",
        NameOID.STATE_OR_PROVINCE_NAME: "Tokyo",
        NameOID.LOCALITY_NAME: "Chiyoda-ku",
        NameOID.ORGANIZATION_NAME: "testkikan",
        NameOID.COMMON_NAME: fqdn,
    }
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in values.items()])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    names = x509.SubjectAlternativeName([x509.DNSName(fqdn)])
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256())


def tsv_row(fqdn: str, csr: x509.CertificateSigningRequest, contact: str = APPLICANT) -> bytes:
    """A row that asks for a new certificate (manual 1-1-2): 13 columns, CP932, CRLF."""
    profile = _RSA_PROFILE if isinstance(csr.public_key(), rsa.RSAPublicKey) else _EC_PROFILE
    pem = csr.public_bytes(Encoding.PEM).decode().replace("\n", "")
    columns = [f"CN={fqdn},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP", profile, "", "", "", "", pem]
    columns += ["申請 太郎", "情報基盤センター", contact, fqdn, "nginx 1.28", ""]
    return ("\t".join(columns) + "\r\n").encode("cp932")


def rsa_rows(keys: RsaKeys, seed: int, count: int) -> Iterator[tuple[x509.CertificateSigningRequest, bytes]]:
    """Requests and rows, each with a name and an RSA key of its own."""
    for n, fqdn in enumerate(fqdns(seed, count)):
        csr = make_csr(fqdn, keys.key(n))
        yield csr, tsv_row(fqdn, csr)


def ec_rows(seed: int, count: int) -> Iterator[tuple[x509.CertificateSigningRequest, bytes]]:
    for n, fqdn in enumerate(fqdns(seed, count)):
        csr = make_csr(fqdn, ec_key(seed, n))
        yield csr, tsv_row(fqdn, csr)


def tsv(rows: Sequence[bytes]) -> bytes:
    return b"".join(rows)
