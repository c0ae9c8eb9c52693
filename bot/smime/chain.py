"""An officer's certificate, and the path from it to a root that the configuration names (threats CMS5, RFC 5280 6)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from bot.smime.ber import parsing
from bot.smime.cms import SignerId
from handlers.rules.reasons import Reason

T = TypeVar("T", bound=x509.ExtensionType)
_DEEPEST = 3  # CAs between the officer and the root
_FOR_MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
_FOR_ALL = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


@dataclass(frozen=True)
class Certificate:
    """`der`: as it came. `pin`: SHA-256 of the public key (SPKI) as it stands in there, hex in capitals."""

    der: bytes
    loaded: x509.Certificate
    issuer: bytes
    pin: str

    def is_named_by(self, signer: SignerId) -> bool:
        if signer.key_identifier is None:
            return (self.issuer, self.loaded.serial_number) == (signer.issuer, signer.serial)
        found = find_extension(self.loaded, x509.SubjectKeyIdentifier)
        return found is not None and found.digest == signer.key_identifier


def read_certificate(der: bytes) -> Certificate:
    """Raises ValueError for what is no certificate, or one with a fault in its extensions or its key."""
    with parsing("certificate"):
        loaded = x509.load_der_x509_certificate(der)
        _ = loaded.extensions, loaded.public_key(), loaded.subject, loaded.issuer
        inner = asn1_x509.Certificate.load(der, strict=True)["tbs_certificate"]
        spki, issuer = inner["subject_public_key_info"].dump(), inner["issuer"].dump()
    return Certificate(der, loaded, issuer, hashlib.sha256(spki).hexdigest().upper())


def find_extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def refuse_leaf(leaf: Certificate, at: datetime, *, need_mail_purpose: bool) -> Reason | None:
    """Whether this certificate may sign mails at `at`; None: it may."""
    certificate = leaf.loaded
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return Reason.EXPIRED_CERTIFICATE
    usage = find_extension(certificate, x509.KeyUsage)
    limits = find_extension(certificate, x509.BasicConstraints)
    if usage is None or not (usage.digital_signature or usage.content_commitment) or (limits and limits.ca):
        return Reason.CERTIFICATE_PURPOSE
    purposes = find_extension(certificate, x509.ExtendedKeyUsage)
    if need_mail_purpose:
        good = purposes is not None and _FOR_MAIL in purposes
    else:
        good = purposes is None or _FOR_MAIL in purposes or _FOR_ALL in purposes
    return None if good else Reason.CERTIFICATE_PURPOSE


def find_path(
    leaf: Certificate, others: Iterable[x509.Certificate], roots: Iterable[x509.Certificate], at: datetime
) -> tuple[x509.Certificate, ...] | None:
    """From the leaf to one of `roots`, both in it; every certificate good at `at`. None: there is no such path.

    The library looks at signatures (SHA-1 and weak keys are not taken), names, dates, path lengths, name constraints
    and unknown critical extensions. Its rules for TLS are put aside.
    """
    verifier = (
        PolicyBuilder()
        .store(Store(list(roots)))
        .time(at.astimezone(UTC).replace(tzinfo=None))
        .max_chain_depth(_DEEPEST)
        .extension_policies(ca_policy=_CA_POLICY, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        return tuple(verifier.verify(leaf.loaded, list(others)).chain)
    except (VerificationError, ValueError):
        return None


def _signs_certificates(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("a CA that may not sign certificates")


def _vouches_for_mail(
    _policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage | None
) -> None:
    if purposes is not None and _FOR_MAIL not in purposes and _FOR_ALL not in purposes:
        raise ValueError("a CA that does not vouch for mails")


# that cA is true and the path not too long, the library sees to by itself
_CA_POLICY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _vouches_for_mail)
)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
