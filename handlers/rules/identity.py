"""Whether a good signature may speak for the mail it came in (threats ID1, ID2, PGP3)."""

from collections.abc import Iterable

from handlers.rules.reasons import Reason
from handlers.rules.register import Officer


def sender_fault(officer: Officer, sender: str | None, signed_sender: str | None) -> Reason | None:
    """The From address must be registered for the key's officer, and a From inside the signature must be the same.

    Addresses in lower case; `signed_sender` is None where the signed part repeats no From.
    """
    if sender is None or sender not in officer.addresses:
        return Reason.FROM_MISMATCH
    if signed_sender is not None and signed_sender != sender:
        return Reason.SIGNED_FROM_DIFFERS
    return None


def is_one_of(officer: Officer, addresses: Iterable[str]) -> bool:
    """Whether one of these addresses (lower case) reaches the officer (threats ID3). What follows a `+` in the local
    part is a detail of the same mailbox (RFC 5233)."""
    return not {_mailbox(address) for address in officer.addresses}.isdisjoint(map(_mailbox, addresses))


def _mailbox(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
