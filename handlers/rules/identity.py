"""Whether a good signature may speak for the mail it came in (threats ID1, ID2, PGP3)."""

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
