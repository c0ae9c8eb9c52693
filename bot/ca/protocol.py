"""What Ringi asks of a certification authority: values in, values out, so that it can live in another process."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.rules.profile import Profile


@dataclass(frozen=True)
class IssueOrder:
    """One certificate to sign, with everything that decides its bytes; committed before it is handed over.

    `subject`: (type, value) pairs, CN first. `dns_names`: the SAN, lower case A-labels, CN first.
    `public_key`: SPKI in DER. `serial`: positive, at most 32 decimal digits.
    """

    serial: int
    subject: tuple[tuple[str, str], ...]
    dns_names: tuple[str, ...]
    public_key: bytes
    profile: Profile
    not_before: datetime
    not_after: datetime


class CaFault(Exception):
    """The CA could not sign. `temporary`: the same order may succeed later."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class Ca(Protocol):
    """A certification authority. The same order must give a certificate with the same serial, name and key."""

    @property
    def issuer(self) -> str:
        """Hex SHA-256 of the issuing key's SPKI: with the serial, the name of a certificate for ever."""

    def chain(self) -> tuple[bytes, ...]:
        """DER of the issuing certificate and those above it, nearest first."""

    def issue(self, order: IssueOrder) -> bytes:
        """Sign `order`; DER of the certificate. Raises CaFault."""

    def find(self, serial: int) -> bytes | None:
        """The certificate with this serial if the CA is known to have signed it; a CA that keeps nothing: None."""
