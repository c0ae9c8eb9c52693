"""What Ringi asks of a certification authority: values in, values out, so that it can live in another process."""

from typing import Protocol

from handlers.rules.order import IssueOrder

__all__ = ["Ca", "CaFault", "IssueOrder"]


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
