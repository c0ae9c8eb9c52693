"""The revocation lists on the disk: which of them speaks for a certificate (threats CMS6, RFC 5280 5 and 6.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bot.smime.ber import parsing
from bot.smime.chain import find_extension
from bot.smime.cms import DIGESTS

# what a list may hold and we know; any other critical extension changes its meaning (RFC 5280 5.2)
_KNOWN = (x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.IssuingDistributionPoint, x509.FreshestCRL)


@dataclass(frozen=True)
class Standing:
    """Where a certificate stands by the newest list of its issuer. `crl`: that list; None: there is none at all."""

    is_revoked: bool
    crl: x509.CertificateRevocationList | None

    def is_fresh_at(self, moment: datetime) -> bool:
        if self.crl is None or self.crl.next_update_utc is None:
            return False
        return moment <= self.crl.next_update_utc


@dataclass(frozen=True)
class _Read:
    stamp: tuple[int, int, int]
    crl: x509.CertificateRevocationList | None


class CrlFiles:
    """All lists in one directory, `*.crl`, DER or PEM; a file is read again when it changes. Threads may share it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[Path, _Read] = {}

    def standing(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Standing:
        """By the newest list that `issuer` signed. A list that is no longer fresh still knows whom it revoked."""
        usable = [crl for crl in self.lists() if speaks_for(crl, certificate, issuer)]
        newest = max(usable, key=lambda crl: crl.last_update_utc, default=None)
        return Standing(newest is not None and _is_on(newest, certificate), newest)

    def lists(self) -> Iterator[x509.CertificateRevocationList]:
        for file in sorted(self._directory.glob("*.crl")):
            crl = self._load(file)
            # a list with nobody on it is false
            if crl is not None:
                yield crl

    def _load(self, file: Path) -> x509.CertificateRevocationList | None:
        try:
            state = file.stat()
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            known = self._read.get(file)
            if known is None or known.stamp != stamp:
                known = _Read(stamp, _parse_or_none(file.read_bytes()))
                self._read[file] = known
        except OSError:
            # just replaced, or not ours to read: to the verifier a list that isn't there
            return None
        return known.crl


def parse_crl(content: bytes) -> x509.CertificateRevocationList:
    """DER or PEM. Raises ValueError; also for what the library would find out later only."""
    with parsing("revocation list"):
        is_pem = content.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(content) if is_pem else x509.load_der_x509_crl(content)
        _ = crl.extensions, crl.issuer, crl.last_update_utc, crl.next_update_utc, crl.signature_hash_algorithm
    return crl


def _parse_or_none(content: bytes) -> x509.CertificateRevocationList | None:
    try:
        return parse_crl(content)
    except ValueError:
        return None


def is_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether it is a list of `issuer`, by name, usage and signature; the digest as strong as a certificate's."""
    if crl.issuer != issuer.subject or getattr(crl.signature_hash_algorithm, "name", None) not in DIGESTS:
        return False
    usage = find_extension(issuer, x509.KeyUsage)
    key = issuer.public_key()
    if (usage and not usage.crl_sign) or not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        return False
    return crl.is_signature_valid(key)


def speaks_for(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """Whether `crl` is complete for `certificate`: no delta, not indirect, not for some reasons or other names only."""
    if not is_signed_by(crl, issuer):
        return False
    if any(one.critical and not isinstance(one.value, _KNOWN) for one in crl.extensions):
        return False
    scope = [one.value for one in crl.extensions if isinstance(one.value, x509.IssuingDistributionPoint)]
    is_delta = any(isinstance(one.value, x509.DeltaCRLIndicator) for one in crl.extensions)
    return not is_delta and all(_covers(one, certificate) for one in scope)


def _covers(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    """RFC 5280 6.3.3 (b)(2); a list for one kind of certificate, or for some reasons, is not taken at all."""
    narrow = (
        scope.only_contains_user_certs,
        scope.only_contains_ca_certs,
        scope.only_contains_attribute_certs,
        scope.only_some_reasons,
        scope.indirect_crl,
        scope.relative_name,
    )
    if any(narrow):
        return False
    points = find_extension(certificate, x509.CRLDistributionPoints) or ()
    named = {name for point in points for name in point.full_name or ()}
    return not scope.full_name or bool(named.intersection(scope.full_name))


def _is_on(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    # whatever its reason and date: what counts is the key's state now (threats PGP5)
    return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def crl_der(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.DER)
