"""The certificates that the register names: each file holds the pinned key's, and may hold what stands above it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from bot.register import RegisterFault
from bot.smime.ber import parsing
from bot.smime.chain import Certificate, read_certificate
from bot.smime.cms import takes_key
from bot.toml_file import Fault
from handlers.rules.register import Register


@dataclass(frozen=True)
class Pinned:
    """What the register's files hold: `leaves` by pin, `issuers` that stand in the files beside them."""

    leaves: dict[str, Certificate]
    issuers: tuple[Certificate, ...]
    warnings: tuple[Fault, ...]


@dataclass(frozen=True)
class _Pin:
    owner: str
    public_key: str
    file: Path

    def fault(self, message: str) -> Fault:
        return Fault(self.file, None, self.owner, message)


def load_pinned(register: Register, directory: Path, now: datetime) -> Pinned:
    """Raises RegisterFault with every fault. A certificate that has run out is a warning: a renewed one of the same
    key may come with the next mail."""
    faults: list[Fault] = []
    warnings: list[Fault] = []
    leaves: dict[str, Certificate] = {}
    issuers: list[Certificate] = []
    for pin in _pins(register, directory):
        held = _read_pin(pin)
        if isinstance(held, Fault):
            faults.append(held)
            continue
        leaf = next(one for one in held if one.pin == pin.public_key)
        leaves[pin.public_key] = leaf
        issuers += [one for one in held if one is not leaf]
        if warning := _date_fault(leaf.loaded, now):
            warnings.append(pin.fault(warning))
    if faults:
        raise RegisterFault(faults)
    return Pinned(leaves, tuple(issuers), tuple(warnings))


def load_roots(ca_file: Path) -> tuple[x509.Certificate, ...]:
    """Raises RegisterFault: without its roots no signature could be judged."""
    try:
        held = read_certificates(ca_file.read_bytes())
    except OSError as error:
        raise RegisterFault(
            [Fault(ca_file, None, "smime.ca_file", f"cannot be read: {error.strerror}")]
        ) from error
    except ValueError as error:
        raise RegisterFault(
            [Fault(ca_file, None, "smime.ca_file", f"holds no certificates: {error}")]
        ) from error
    faults = [_root_fault(ca_file, one) for one in held if not takes_key(one.loaded.public_key())]
    if faults:
        raise RegisterFault(faults)
    return tuple(one.loaded for one in held)


def _root_fault(ca_file: Path, root: Certificate) -> Fault:
    name = root.loaded.subject.rfc4514_string()
    return Fault(ca_file, None, "smime.ca_file", f"{name}: a weak key, or of a kind that is not taken")


def _pins(register: Register, directory: Path) -> Iterator[_Pin]:
    for institution in register.institutions.values():
        for officer in institution.officers:
            for key in officer.smime:
                yield _Pin(f"{officer.id} of {institution.id}", key.public_key, directory / key.file)


def _read_pin(pin: _Pin) -> list[Certificate] | Fault:
    """All certificates of the file, the pinned one among them."""
    try:
        content = pin.file.read_bytes()
    except OSError as error:
        return pin.fault(f"cannot be read: {error.strerror}")
    if _holds_secret(content):
        return pin.fault("holds a secret key: remove it, and have the officer's certificate revoked")
    try:
        held = read_certificates(content)
    except ValueError as error:
        return pin.fault(f"holds no certificate (PEM or DER): {error}")
    leaf = next((one for one in held if one.pin == pin.public_key), None)
    if leaf is None:
        return pin.fault(f"holds the key {held[0].pin}, not the pinned {pin.public_key}")
    if not takes_key(leaf.loaded.public_key()):
        return pin.fault(
            "a weak key, or of a kind that is not taken: RSA from 2048 bits, P-256, P-384 or P-521"
        )
    return held


def _holds_secret(content: bytes) -> bool:
    if b"PRIVATE KEY-----" in content:
        return True
    try:
        load_der_private_key(content, None)
    except TypeError:
        # it wants a passphrase: a key it is
        return True
    except (ValueError, UnsupportedAlgorithm):
        # whatever else it is, the reader of certificates says so
        return False
    return True


def read_certificates(content: bytes) -> list[Certificate]:
    """All certificates in PEM, or the one in DER. Raises ValueError."""
    if b"-----BEGIN" not in content:
        return [read_certificate(content)]
    with parsing("certificate"):
        found = x509.load_pem_x509_certificates(content)
    return [read_certificate(one.public_bytes(Encoding.DER)) for one in found]


def _date_fault(certificate: x509.Certificate, now: datetime) -> str | None:
    if certificate.not_valid_after_utc < now:
        return f"the certificate has expired ({certificate.not_valid_after_utc:%Y-%m-%d})"
    if certificate.not_valid_before_utc > now:
        return f"the certificate begins on {certificate.not_valid_before_utc:%Y-%m-%d} only"
    return None
