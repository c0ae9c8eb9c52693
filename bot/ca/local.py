"""A CA of our own: an RSA or EC key in a file or a token, its certificate beside it. The signer keeps the record."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from bot.ca.crl import sign_crl
from bot.ca.hsm import open_token_key
from bot.ca.lint import lint_certificate, require_lint, throwaway_key
from bot.ca.protocol import CaFault, IssueOrder, Revoked
from bot.ca.token_uri import read_token_uri
from bot.config import Ca as CaSettings

log = structlog.get_logger()
CaKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
LeafKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_DIGESTS: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# type -> its OID and the values it takes (RFC 5280 A.1 upper bounds), in the order of DER, which is the
# reverse of how people write a DN
_ATTRIBUTES = {
    "C": (NameOID.COUNTRY_NAME, re.compile("[A-Z]{2}")),
    "ST": (NameOID.STATE_OR_PROVINCE_NAME, re.compile(".{1,128}")),
    "L": (NameOID.LOCALITY_NAME, re.compile(".{1,128}")),
    "O": (NameOID.ORGANIZATION_NAME, re.compile(".{1,64}")),
    "OU": (NameOID.ORGANIZATIONAL_UNIT_NAME, re.compile(".{1,64}")),
    "CN": (NameOID.COMMON_NAME, re.compile(".{1,64}")),
}
# the serial number column of the TSVs holds 32 digits; 64 random bits are the baseline (BR 7.1)
_SERIALS = range(2**63, 10**32)
_T = TypeVar("_T")


def _fault(message: str) -> CaFault:
    return CaFault(message, temporary=False)


@dataclass(frozen=True)
class LocalCa:
    """`bot.ca.protocol.Ca` with the key in this process.

    The same order gives the same bytes: RSA signatures are so by nature (PKCS#1 v1.5), ECDSA by RFC 6979;
    only a token's ECDSA signatures differ.
    """

    _key: CaKey
    _chain: tuple[x509.Certificate, ...]
    _settings: CaSettings

    @classmethod
    def open(cls, settings: CaSettings, passphrase: str | None, *, now: datetime | None = None) -> "LocalCa":
        """Read key and certificates; CaFault (never temporary) says which file is wrong and what to do.

        `now`: when the certificate has to be valid; None: the clock's time.
        """
        chain = _read_certificates(settings.certificate)
        key = _open_key(settings, passphrase, chain[0])
        if settings.chain:
            chain += _read_certificates(settings.chain)
        _check_issuer(chain[0], key, settings, now or datetime.now(UTC))
        _check_path(chain, settings.chain or settings.certificate)
        if settings.lint != "off":
            require_lint()
        return cls(key, chain, settings)

    @property
    def issuer(self) -> str:
        """Hex SHA-256 of the issuing key's SPKI."""
        spki = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest()

    @property
    def not_after(self) -> datetime:
        """The last second for which this CA can sign, UTC."""
        return self._chain[0].not_valid_after_utc

    @property
    def is_in_memory(self) -> bool:
        """Whether children of this process can sign too: a token's login is the process's own."""
        return self._settings.pkcs11 is None

    def chain(self) -> tuple[bytes, ...]:
        """DER of the issuing certificate and those of the chain file, nearest first."""
        return tuple(certificate.public_bytes(Encoding.DER) for certificate in self._chain)

    def issue(self, order: IssueOrder) -> bytes:
        """Sign a TLS server certificate (RFC 5280, BR 7.1.2.7); CaFault: this order must never be signed."""
        public_key = _load_public_key(order.public_key)
        self._check(order, public_key)
        try:
            builder = (
                x509.CertificateBuilder()
                .serial_number(order.serial)
                .issuer_name(self._chain[0].subject)
                .subject_name(_name(order.subject))
                .public_key(public_key)
                .not_valid_before(order.not_before)
                .not_valid_after(order.not_after)
            )
            for extension, is_critical in self._extensions(order, public_key):
                builder = builder.add_extension(extension, is_critical)
        except ValueError as error:
            raise _fault(f"order {order.serial} can't become a certificate: {error}") from error
        self._lint(builder, order)
        return _sign(builder, self._key, order)

    def crl(
        self, revoked: Sequence[Revoked], *, number: int, this_update: datetime, next_update: datetime
    ) -> bytes:
        """Sign a complete list; CaFault: the CA's certificate is not for lists, or an entry can't stand in one."""
        issuer = self._chain[0]
        extensions = (x509.CRLNumber(number), _authority_key(issuer))
        return sign_crl(self._key, issuer, extensions, revoked, this_update, next_update)

    def _lint(self, builder: x509.CertificateBuilder, order: IssueOrder) -> None:
        """CaFault if it may not be signed as it is (threats CSR6). Public profiles are always held to their rules."""
        mode = "block" if order.profile.public else self._settings.lint
        if mode == "off":
            return
        draft = _sign(builder, throwaway_key(self._key.public_key()), order)
        findings = lint_certificate(draft, public=order.profile.public)
        if not findings:
            return
        codes = ", ".join(dict.fromkeys(finding.code for finding in findings))
        told = f"order {order.serial}, profile {order.profile.id}: the lint finds {codes}"
        if mode == "block":
            raise _fault(f"{told}: nothing was signed")
        log.warning("lint", serial=str(order.serial), findings=[f"{f.code}: {f.message}" for f in findings])

    def _check(self, order: IssueOrder, public_key: LeafKey) -> None:
        if order.serial not in _SERIALS:
            raise _fault(f"serial {order.serial} is not between 2**63 and 32 decimal digits")
        if order.not_before > order.not_after:
            raise _fault(f"order {order.serial} ends before it begins")
        if order.not_after > self.not_after:
            raise _fault(
                f"{self._settings.certificate} ends {self.not_after:%Y-%m-%d}, before what it should sign "
                f"({order.not_after:%Y-%m-%d}): renew the CA or shorten `days` of profile {order.profile.id}"
            )
        if public_key == self._key.public_key():
            raise _fault(f"order {order.serial} carries the CA's own public key")
        if not order.dns_names or [v for t, v in order.subject if t == "CN"] != [order.dns_names[0]]:
            raise _fault(f"the CN of order {order.serial} is not its first DNS name")

    def _extensions(self, order: IssueOrder, public_key: LeafKey) -> list[tuple[x509.ExtensionType, bool]]:
        """Each extension with its criticality, in the order of the certificate."""
        usages = [ExtendedKeyUsageOID.SERVER_AUTH]
        if order.profile.client_auth:
            usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(is_rsa=isinstance(public_key, rsa.RSAPublicKey)), True),
            (x509.ExtendedKeyUsage(usages), False),
            (x509.SubjectAlternativeName([x509.DNSName(name) for name in order.dns_names]), False),
            (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
            (_authority_key(self._chain[0]), False),
        ]
        if url := self._settings.crl_url:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            extensions.append((x509.CRLDistributionPoints([point]), False))
        if access := _authority_access(self._settings):
            extensions.append((x509.AuthorityInformationAccess(access), False))
        return extensions


def _sign(builder: x509.CertificateBuilder, key: CaKey, order: IssueOrder) -> bytes:
    # the builder refuses this argument for RSA, whatever its value but None
    is_deterministic = True if isinstance(key, ec.EllipticCurvePrivateKey) else None
    digest = _DIGESTS[order.profile.digest]
    return builder.sign(key, digest, ecdsa_deterministic=is_deterministic).public_bytes(Encoding.DER)


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """What the issuing certificate calls its key, or what it would if it names none."""
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        identifier = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _authority_access(settings: CaSettings) -> list[x509.AccessDescription]:
    places = (
        (AuthorityInformationAccessOID.OCSP, settings.ocsp_url),
        (AuthorityInformationAccessOID.CA_ISSUERS, settings.issuer_url),
    )
    return [x509.AccessDescription(how, x509.UniformResourceIdentifier(url)) for how, url in places if url]


def _name(subject: tuple[tuple[str, str], ...]) -> x509.Name:
    """A DN from (type, value) pairs, CN first. C becomes a PrintableString, the others UTF8String."""
    ranks = list(_ATTRIBUTES)
    for kind, value in subject:
        if kind not in ranks or not _ATTRIBUTES[kind][1].fullmatch(value):
            raise _fault(f"a certificate's subject can't hold {kind}={value}")
    pairs = sorted(reversed(subject), key=lambda pair: ranks.index(pair[0]))
    return x509.Name([x509.NameAttribute(_ATTRIBUTES[kind][0], value) for kind, value in pairs])


def _key_usage(*, is_rsa: bool) -> x509.KeyUsage:
    """RSA keys also take the old key transport of TLS 1.2; it means nothing for EC."""
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


def _load_public_key(spki: bytes) -> LeafKey:
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _fault(f"the order's public key can't be read: {error}") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _fault("the order's public key is neither RSA nor EC")
    return key


def _read(path: Path, load: Callable[[bytes], _T]) -> _T:
    """`load` on the file's bytes; a file that isn't there or isn't PEM is a CaFault."""
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise _fault(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise _fault(f"{path} is not what it should be (certificates in PEM): {error}") from error


def _read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    return tuple(_read(path, x509.load_pem_x509_certificates))


def _open_key(settings: CaSettings, passphrase: str | None, certificate: x509.Certificate) -> CaKey:
    if settings.pkcs11:
        return open_token_key(read_token_uri(settings.pkcs11), passphrase, certificate.public_key())
    assert settings.key is not None
    return _read_key(settings.key, passphrase)


def _read_key(path: Path, passphrase: str | None) -> CaKey:
    pem = _read(path, bytes)
    is_encrypted = b"ENCRYPTED" in pem
    if is_encrypted and not passphrase:
        raise _fault(f"{path} is encrypted: put its passphrase into a file and name it in ca.passphrase_file")
    if passphrase and not is_encrypted:
        raise _fault(
            f"{path} is not encrypted although a passphrase is configured: encrypt it with "
            f"`openssl pkcs8 -topk8 -v2 aes-256-cbc -in {path} -out new.key`, or drop ca.passphrase_file"
        )
    try:
        key = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if is_encrypted:
            raise _fault(
                f"the passphrase does not open {path}: correct what ca.passphrase_file holds"
            ) from error
        raise _fault(f"{path} is not a private key in PEM: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _fault(f"{path} is neither an RSA nor an EC key")
    return key


def _check_issuer(certificate: x509.Certificate, key: CaKey, settings: CaSettings, now: datetime) -> None:
    """CaFault unless it is the key's, may sign certificates (RFC 5280 4.2.1.3, 4.2.1.9) and is valid."""
    where = settings.certificate
    if certificate.public_key() != key.public_key():
        raise _fault(
            f"ca.key ({settings.key}) is not the key of ca.certificate ({where}): name those of a pair"
        )
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        may_sign = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        is_ca = may_sign = False
    if not (is_ca and may_sign):
        raise _fault(f"{where} is not for a CA: it needs basicConstraints CA:TRUE and keyUsage keyCertSign")
    if now > certificate.not_valid_after_utc:
        raise _fault(
            f"{where} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: renew the CA certificate"
        )
    if now < certificate.not_valid_before_utc:
        raise _fault(
            f"{where} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: "
            "correct this machine's clock"
        )


def _check_path(chain: tuple[x509.Certificate, ...], where: Path) -> None:
    for lower, upper in zip(chain, chain[1:], strict=False):
        try:
            lower.verify_directly_issued_by(upper)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as error:
            raise _fault(
                f"{where}: {upper.subject.rfc4514_string()} did not issue {lower.subject.rfc4514_string()}; "
                "put the nearest certificate first"
            ) from error
