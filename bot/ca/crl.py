"""Signing a revocation list (RFC 5280 5) with a key in this process."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bot.ca.protocol import CaFault, Revoked

# 0 is missing: an unspecified reason is said by silence (RFC 5280 5.3.1)
_REASONS = {
    1: x509.ReasonFlags.key_compromise,
    3: x509.ReasonFlags.affiliation_changed,
    4: x509.ReasonFlags.superseded,
    5: x509.ReasonFlags.cessation_of_operation,
}


def sign_crl(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    extensions: Sequence[x509.ExtensionType],
    revoked: Sequence[Revoked],
    this_update: datetime,
    next_update: datetime,
) -> bytes:
    """DER of a complete list by `issuer`, whose key is `key`. CaFault (never temporary) says what is wrong with it."""
    _check_may_sign_lists(issuer)
    # given whole: adding one by one would copy the list each time
    entries = [_entry(each) for each in revoked]
    try:
        builder = (
            x509.CertificateRevocationListBuilder(revoked_certificates=entries)
            .issuer_name(issuer.subject)
            .last_update(this_update)
            .next_update(next_update)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
    except ValueError as error:
        raise CaFault(f"the revocation list can't be made: {error}", temporary=False) from error
    # the builder refuses this argument for RSA, whatever its value but None
    is_deterministic = True if isinstance(key, ec.EllipticCurvePrivateKey) else None
    return builder.sign(key, _digest(key), ecdsa_deterministic=is_deterministic).public_bytes(Encoding.DER)


def _check_may_sign_lists(issuer: x509.Certificate) -> None:
    """RFC 5280 4.2.1.3: without cRLSign nobody would believe the list."""
    try:
        may_sign = issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        may_sign = False
    if not may_sign:
        raise CaFault(
            "ca.certificate has no keyUsage cRLSign: have it issued with keyCertSign and cRLSign",
            temporary=False,
        )


def _entry(revoked: Revoked) -> x509.RevokedCertificate:
    if revoked.reason and revoked.reason not in _REASONS:
        raise CaFault(f"serial {revoked.serial}: nobody may give reason {revoked.reason}", temporary=False)
    try:
        builder = (
            x509.RevokedCertificateBuilder().serial_number(revoked.serial).revocation_date(revoked.revoked_at)
        )
    except ValueError as error:
        raise CaFault(f"serial {revoked.serial} can't stand in a list: {error}", temporary=False) from error
    if revoked.reason:
        builder = builder.add_extension(x509.CRLReason(_REASONS[revoked.reason]), critical=False)
    return builder.build()


def _digest(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """As strong as the key's curve; SHA-256 for RSA."""
    bits = key.curve.key_size if isinstance(key, ec.EllipticCurvePrivateKey) else 256
    if bits > 384:
        return hashes.SHA512()
    return hashes.SHA384() if bits > 256 else hashes.SHA256()
