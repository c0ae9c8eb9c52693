"""What a few lines of Python with `cryptography` do: the measure for everything that the desk adds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from bot.config import Config, read_passphrase

DAYS = 396


@dataclass(frozen=True)
class BareCa:
    """A CA's key and certificate in memory, and the two URLs that it puts into certificates."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    crl_url: str
    issuer_url: str

    @classmethod
    def open(cls, config: Config) -> "BareCa":
        """The CA of a desk."""
        settings = config.ca
        assert settings.key is not None
        passphrase = read_passphrase(settings)
        key = load_pem_private_key(settings.key.read_bytes(), passphrase.encode() if passphrase else None)
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        certificate = x509.load_pem_x509_certificate(settings.certificate.read_bytes())
        return cls(key, certificate, settings.crl_url or "", settings.issuer_url or "")

    def sign_all(self, requests: Sequence[x509.CertificateSigningRequest], begin: datetime) -> list[bytes]:
        """DER, with the extensions that the desk's certificates have, in the same order."""
        return [self.sign(request, begin) for request in requests]

    def sign(self, request: x509.CertificateSigningRequest, begin: datetime) -> bytes:
        public_key = request.public_key()
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(self.crl_url)], None, None, None)
        issuer = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(self.issuer_url)
        )
        builder = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .issuer_name(self.certificate.subject)
            .subject_name(request.subject)
            .public_key(public_key)
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=DAYS, seconds=-1))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_rsa=isinstance(public_key, rsa.RSAPublicKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
            .add_extension(x509.AuthorityInformationAccess([issuer]), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def check_all(requests: Sequence[bytes]) -> int:
    """Read each PKCS#10 (DER) and verify its signature; how many are good."""
    return sum(x509.load_der_x509_csr(der).is_signature_valid for der in requests)


def _usage(*, is_rsa: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=is_rsa,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
