"""What verifying a signature gives, whichever of the two systems made it."""

from dataclasses import dataclass
from datetime import datetime

from handlers.incoming import Material


class VerifierFault(Exception):
    """The world's fault: this signature can't be judged now (no gpg, a stale revocation list). Nothing is refused.

    `temporary`: it may pass by itself. The mail stays where it is, and the next round looks at it again.
    """

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class MailFault(VerifierFault):
    """The verifier falls over this very mail, and works for others: counted as what crashes us (threats DOS4)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, temporary=True)


@dataclass(frozen=True)
class Verified:
    """A signature that counts: one, strong, by a pinned key that is good now.

    `fingerprint`: hex in capitals, of the OpenPGP primary key or of the S/MIME public key (SPKI). `digest`: the
    hash algorithm in the numbers of RFC 9580 9.5. `status`: gpg's status lines, or ours, for the evidence.
    `output`: what the signature itself carries: an inline block's text (LF, no blanks at line ends), the content of an
    opaque S/MIME signature; else None. `materials`: what it was verified with.
    """

    fingerprint: str
    signed_at: datetime
    digest: int
    status: bytes
    output: bytes | None
    materials: tuple[Material, ...] = ()
