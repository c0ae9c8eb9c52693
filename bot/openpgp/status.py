"""The verdict on one signature from gpg's exit code and status lines (its doc/DETAILS; threats PGP2-PGP5)."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from handlers.rules.reasons import Reason

_PREFIX = b"[GNUPG:] "
_CLOCK_SKEW = timedelta(minutes=60)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# RFC 9580 9.5: SHA-256, SHA-384, SHA-512, SHA-224, SHA3-256, SHA3-512
STRONG_DIGESTS = frozenset({8, 9, 10, 11, 12, 14})

# of the keywords that tell how a signature ended, gpg writes one for each signature
_ENDS = (b"GOODSIG", b"BADSIG", b"ERRSIG", b"EXPSIG", b"EXPKEYSIG", b"REVKEYSIG")
_REFUSED_ENDS = (
    (b"REVKEYSIG", Reason.REVOKED_KEY),
    (b"EXPKEYSIG", Reason.EXPIRED_KEY),
    (b"EXPSIG", Reason.EXPIRED_SIGNATURE),
    (b"BADSIG", Reason.BAD_SIGNATURE),
    (b"NO_PUBKEY", Reason.UNKNOWN_KEY),
)
_MISPLACED = (b"NODATA", b"UNEXPECTED", b"PLAINTEXT")
_FAILED = (b"FAILURE", b"ERROR")
# gpg's error code (ERRSIG's sixth field) for a digest that it does not take
_BAD_DIGEST_ALGORITHM = b"5"


@dataclass(frozen=True)
class ValidSignature:
    """`fingerprint`: of the primary key, in capitals. `digest`: RFC 9580 9.5. `signature_class`: 5.2.1."""

    fingerprint: str
    signed_at: datetime
    digest: int
    signature_class: int


def judge(exit_code: int, status: bytes, *, clearsigned: bool = False) -> ValidSignature | Reason:
    """What gpg's exit code and status lines mean, by keywords alone: no user id is looked at (threats PGP2).

    `clearsigned`: gpg then also writes one PLAINTEXT line.
    """
    lines = [line.split(b" ") for line in _statements(status)]
    count = Counter(line[0] for line in lines)
    if clearsigned and count[b"PLAINTEXT"] == 1:
        del count[b"PLAINTEXT"]
    if refused := _refusal(lines, count):
        return refused
    if exit_code != 0 or any(count[word] != 1 for word in (b"NEWSIG", b"GOODSIG", b"VALIDSIG")):
        return Reason.UNVERIFIABLE
    return _read_valid_signature(next(line for line in lines if line[0] == b"VALIDSIG"))


def refuse_signature(signature: ValidSignature, pinned: Collection[str], now: datetime) -> Reason | None:
    """Why a signature that gpg takes is not taken here (threats PGP3-PGP5), or None. `now`: INTERNALDATE."""
    if signature.fingerprint not in pinned:
        return Reason.UNKNOWN_KEY
    if signature.digest not in STRONG_DIGESTS:
        return Reason.WEAK_DIGEST
    if signature.signature_class not in (0x00, 0x01):
        return Reason.SIGNATURE_CLASS
    if signature.signed_at > now + _CLOCK_SKEW:
        return Reason.SIGNED_IN_FUTURE
    return None


def _statements(status: bytes) -> list[bytes]:
    # by LF only: text readers know more line ends than gpg escapes, so a user id could forge whole lines
    return [line.removeprefix(_PREFIX) for line in status.split(b"\n") if line.startswith(_PREFIX)]


def _refusal(lines: list[list[bytes]], count: Counter[bytes]) -> Reason | None:
    if count[b"NEWSIG"] > 1 or sum(count[word] for word in _ENDS) > 1:
        return Reason.SEVERAL_SIGNATURES
    for word, reason in _REFUSED_ENDS:
        if count[word]:
            return reason
    if count[b"ERRSIG"]:
        return _read_error(next(line for line in lines if line[0] == b"ERRSIG"))
    if any(count[word] for word in _MISPLACED):
        return Reason.SIGNATURE_BLOCK
    if any(count[word] for word in _FAILED):
        return Reason.UNVERIFIABLE
    return None


def _read_error(line: list[bytes]) -> Reason:
    # ERRSIG <keyid> <pkalgo> <hashalgo> <sig_class> <time> <rc> <fpr>
    if len(line) < 7:
        return Reason.UNVERIFIABLE
    if line[4] not in (b"00", b"01"):
        return Reason.SIGNATURE_CLASS
    return Reason.WEAK_DIGEST if line[6] == _BAD_DIGEST_ALGORITHM else Reason.UNVERIFIABLE


def _read_valid_signature(line: list[bytes]) -> ValidSignature | Reason:
    # VALIDSIG <fpr> <date> <time> <expires> <version> <reserved> <pkalgo> <hashalgo> <class> <primary fpr>
    if len(line) != 11:
        return Reason.UNVERIFIABLE
    try:
        return ValidSignature(
            fingerprint=line[10].decode("ascii").upper(),
            signed_at=_read_time(line[3].decode("ascii")),
            digest=int(line[8]),
            signature_class=int(line[9], 16),
        )
    except (ValueError, OverflowError):
        return Reason.UNVERIFIABLE


def _read_time(text: str) -> datetime:
    """Seconds since 1970, or ISO 8601 `20261122T101500`; both in UTC."""
    if "T" in text:
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    # not fromtimestamp: what it raises for a number that no clock shows depends on the machine
    return _EPOCH + timedelta(seconds=int(text))
