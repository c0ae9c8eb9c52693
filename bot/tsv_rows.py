"""Rows of application TSVs made from what a person has at hand: a CSR, a row of the inventory, a few words
(manual 1-1-2, 1-2-2, 1-3-1)."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from handlers.rules.columns import COLUMNS_OF, CONTACT_COLUMNS, Column
from handlers.rules.csr import KEYS, has_private_key, read_csr
from handlers.rules.inventory_tsv import COLUMNS as INVENTORY
from handlers.rules.profile import Profile
from handlers.rules.renewal_tsv import join_names
from handlers.rules.tsv import decode_text, guess_kind, read_row, write_row
from store.states import Kind

# the kinds by the words of the command line; a change of contact is no Kind
KINDS: dict[str, Kind | None] = {**{kind.value: kind for kind in Kind}, "contact": None}
# our column -> the inventory's, both counted from 1
_FROM_INVENTORY = {1: 4, 2: 5, 4: 24, 8: 13, 9: 14, 10: 15, 11: 16, 12: 17, 13: 9}
_SERIAL = 24


class RowsFault(Exception):
    """What is at hand makes no row; the words say why."""


@dataclass(frozen=True)
class Inventory:
    """The rows of a 一覧 file, without its header."""

    rows: tuple[tuple[str, ...], ...]

    def cells_for(self, serial: str) -> dict[int, str]:
        """What is known of a certificate, by our columns."""
        found = next((row for row in self.rows if row[_SERIAL - 1 : _SERIAL] == (serial,)), None)
        if found is None:
            raise RowsFault(f"the inventory has no certificate with the serial number {serial}")
        return {ours: found[theirs - 1] for ours, theirs in _FROM_INVENTORY.items() if len(found) >= theirs}


def columns_of(kind: Kind | None) -> tuple[Column, ...]:
    return CONTACT_COLUMNS if kind is None else COLUMNS_OF[kind]


def read_lines(data: bytes) -> tuple[tuple[str, ...], ...]:
    """The cells of every line, as they stand. RowsFault for what is no text."""
    text = decode_text(data)
    if text is None:
        raise RowsFault("the file is neither CP932 (Shift_JIS) nor UTF-8")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(tuple(line.split("\t")) for line in lines)


def as_inventory(lines: tuple[tuple[str, ...], ...]) -> Inventory | None:
    """None for a file that is no 一覧: its first line is the header."""
    return Inventory(lines[1:]) if lines and lines[0][0] == INVENTORY[0] else None


def guess(lines: tuple[tuple[str, ...], ...]) -> str | None:
    """The word for the kind that the columns say; None where the rows disagree."""
    rows = tuple(read_row(seq, "\t".join(line).encode(), "UTF-8") for seq, line in enumerate(lines, 1))
    kind = guess_kind(rows)
    # a change of contact is no kind of application: it gives a contact but no reason
    if kind is Kind.REVOKE and all(row.fields[7].strip() and not row.fields[4].strip() for row in rows):
        return "contact"
    return kind.value if kind else None


def cells_from_csr(data: bytes, name: str, profiles: Iterable[Profile]) -> dict[int, str]:
    """What a CSR says of its row, by column. RowsFault for what is no CSR."""
    if has_private_key(data):
        raise RowsFault(f"{name} is a private key: give the CSR, and never mail the key to anybody")
    text = _one_line(data)
    found = read_csr(text)
    if found is None:
        raise RowsFault(f"{name} is no CSR that can be read")
    dn, csr = found
    names = dn.values("CN")
    profile = next((str(one.id) for one in profiles if KEYS[one.key] == csr.public_key), "")
    others = tuple(name for name in csr.dns_names if name not in {cn.lower() for cn in names})
    return {1: dn.text(), 2: profile, 7: text, 11: "".join(names[:1]), 13: join_names(others)}


def write_rows(kind: Kind | None, rows: Iterable[dict[int, str]]) -> bytes:
    """The file. What the kind does not use stays empty. RowsFault for a character that CP932 does not have."""
    try:
        return b"".join(
            write_row(
                tuple("" if column.reserved else row.get(column.number, "") for column in columns_of(kind))
            )
            for row in rows
        )
    except UnicodeEncodeError as error:
        raise RowsFault(
            f"CP932 (Shift_JIS) does not have these characters: {error.object[error.start : error.end]}"
        ) from error
    except ValueError as error:
        raise RowsFault(str(error)) from error


def _one_line(data: bytes) -> str:
    if data[:1] == b"\x30":
        return b64encode(data).decode("ascii")
    return "".join(data.decode("ascii", "replace").split("\n")).replace("\r", "").strip()
