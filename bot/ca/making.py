"""Making a small site's own root: a key, and a certificate that signs itself."""

from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

KeyKind = Literal["rsa2048", "rsa3072", "rsa4096", "p256", "p384"]
_CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}
_BITS = {"rsa2048": 2048, "rsa3072": 3072, "rsa4096": 4096}


def make_ca(
    name: str, *, key: KeyKind, days: int, passphrase: str | None, now: datetime
) -> tuple[bytes, bytes]:
    """A new key (PKCS#8 PEM, encrypted if there is a passphrase) and its self-signed certificate (PEM).

    The certificate begins at `now` and holds for `days` days of 24 hours, the last second counted in. pathLen
    is 0: this root signs server certificates only, no other CA (RFC 5280 4.2.1.9). ValueError for a name that
    X.520 does not allow (1 to 64 characters).
    """
    private = _make_key(key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    begin = now.replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .issuer_name(subject)
        .subject_name(subject)
        .public_key(private.public_key())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days) - timedelta(seconds=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_ca_usage(), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(authority, critical=False)
        .sign(private, hashes.SHA384() if key == "p384" else hashes.SHA256())
    )
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption),
        certificate.public_bytes(Encoding.PEM),
    )


def _make_key(key: KeyKind) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if curve := _CURVES.get(key):
        return ec.generate_private_key(curve())
    return rsa.generate_private_key(65537, _BITS[key])


def _ca_usage() -> x509.KeyUsage:
    """Sign certificates and CRLs, nothing else."""
    return x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
