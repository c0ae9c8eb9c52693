"""What Ringi asks of a certification authority: values in, values out, so that it can live in another process."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from handlers.rules.order import IssueOrder, Revoked

__all__ = ["Ca", "CaFault", "IssueOrder", "Revoked"]


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

    def crl(
        self, revoked: Sequence[Revoked], *, number: int, this_update: datetime, next_update: datetime
    ) -> bytes:
        """Sign a complete revocation list of what this key issued; DER. Raises CaFault."""
