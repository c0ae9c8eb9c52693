"""What a file of OpenPGP keys holds, before anybody trusts it: whose they are, and until when they can sign."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.openpgp.call import Gpg


@dataclass(frozen=True)
class FoundKey:
    """A primary key with its subkeys.

    `fingerprint`: of the primary key, in capitals. `can_sign`: it or a subkey is good for that today.
    `signs_until`: the end of the last of these; None: never.
    """

    fingerprint: str
    is_secret: bool
    can_sign: bool
    signs_until: datetime | None


def read_key_file(gpg: str, path: Path) -> list[FoundKey]:
    """Every key in `path`, armored or binary; [] for a file that holds none. Raises GpgFault."""
    with tempfile.TemporaryDirectory(prefix="ringi-gpg-") as home:
        answer = Gpg(gpg, Path(home)).call(
            ("--no-autostart",), ("--with-colons", "--show-keys", str(path.absolute()))
        )
    return read_listing(answer.output)


def read_listing(output: bytes) -> list[FoundKey]:
    """The keys in a listing in gpg's colon format (its doc/DETAILS)."""
    blocks: list[list[list[str]]] = []
    # gpg escapes LF and colons in user ids, nothing else that a text reader would cut at
    for line in output.decode("utf-8", "replace").split("\n"):
        fields = line.split(":")
        if fields[0] in ("pub", "sec"):
            blocks.append([])
        if blocks and fields[0] in ("pub", "sec", "sub", "ssb", "fpr"):
            blocks[-1].append(fields)
    return [_read_block(block) for block in blocks]


def _read_block(block: list[list[str]]) -> FoundKey:
    primary = block[0]
    keys = [fields for fields in block if fields[0] != "fpr"]
    # e: expired, r: revoked, i: invalid, d: disabled; what holds for the primary key holds for the whole
    able = [f for f in keys if "s" in f[11] and f[1] not in ("e", "r", "i", "d")]
    ends = [_expiry(fields) for fields in able]
    end = None if None in ends else max((e for e in ends if e), default=None)
    whole = _expiry(primary)
    return FoundKey(
        fingerprint=next(fields[9] for fields in block if fields[0] == "fpr").upper(),
        is_secret=primary[0] == "sec",
        can_sign=bool(able) and primary[1] not in ("e", "r", "i", "d"),
        signs_until=min(end, whole) if end and whole else end or whole,
    )


def _expiry(fields: list[str]) -> datetime | None:
    return datetime.fromtimestamp(int(fields[6]), UTC) if fields[6] else None
