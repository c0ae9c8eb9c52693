"""What the signer asks of whatever holds the CA's key: a file, or a token. Values in, values out."""

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
    """The CA's key and its certificate, inside the signer. What was signed, the signer's ledger knows."""

    @property
    def issuer(self) -> str:
        """Hex SHA-256 of the issuing key's SPKI: with the serial, the name of a certificate for ever."""

    @property
    def not_after(self) -> datetime:
        """The last second for which this CA can sign, UTC."""

    @property
    def is_in_memory(self) -> bool:
        """Whether children of this process can sign too."""

    def chain(self) -> tuple[bytes, ...]:
        """DER of the issuing certificate and those above it, nearest first."""

    def issue(self, order: IssueOrder) -> bytes:
        """Sign `order`; DER of the certificate. Raises CaFault."""

    def crl(
        self, revoked: Sequence[Revoked], *, number: int, this_update: datetime, next_update: datetime
    ) -> bytes:
        """Sign a complete revocation list of what this key issued; DER. Raises CaFault."""
