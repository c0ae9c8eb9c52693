"""What a mail server says became of a mail of ours (RFC 3464; mail-protocol 2, threats LP2)."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What was done with the mail, RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True)
class ReportedRecipient:
    """`addresses`: the names that the report gives one recipient, in lower case. `status`: e.g. `5.1.1`, may be
    empty. `diagnostic`: what the server said, one clean line for people, may be empty."""

    addresses: tuple[str, ...]
    action: Action
    status: str = ""
    diagnostic: str = ""

    @property
    def reason(self) -> str:
        """Status and diagnostic in one line; most servers repeat the one in the other."""
        told = self.diagnostic if self.status in self.diagnostic else f"{self.status} {self.diagnostic}"
        return told.strip() or "no reason was given"


@dataclass(frozen=True)
class DeliveryReport:
    """`message_ids`: of the mail that it tells of, with brackets; the returned mail's own Message-ID comes first.

    None of it is proven: whoever got a mail of ours can write such a report for it.
    """

    message_ids: tuple[str, ...]
    recipients: tuple[ReportedRecipient, ...]

    def about(self, address: str) -> ReportedRecipient | None:
        """What it says of this recipient; of several lines a failure counts most, then a delay."""
        said = [recipient for recipient in self.recipients if address.lower() in recipient.addresses]
        order = list(Action)
        return min(said, key=lambda recipient: order.index(recipient.action), default=None)
