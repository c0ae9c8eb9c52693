"""An application TSV or an inventory as text for a terminal: columns that line up, Japanese being two wide."""

from collections.abc import Iterable, Iterator

from bot.compose.lines import columns as width
from bot.compose.lines import one_line
from bot.tsv_rows import Inventory, columns_of
from handlers.rules.csr import read_csr
from store.states import Kind

_CSR = 7
# heading -> column of the inventory, counted from 1
_SHOWN = {"申請ID": 1, "状態": 12, "シリアル番号": 24, "有効期限": 27, "利用管理者FQDN": 16, "利用管理者": 13}
_STATES = {
    "2": "承認待ち",
    "3": "発行処理中",
    "4": "取得待ち",
    "5": "発行済み",
    "6": "更新済み",
    "7": "失効済み",
    "9": "発行されず",
}


def inventory_lines(inventory: Inventory) -> Iterator[str]:
    """One line a certificate, the heading first."""
    rows = [tuple(_cell(row, heading, place) for heading, place in _SHOWN.items()) for row in inventory.rows]
    yield from _table([tuple(_SHOWN), *rows])


def application_lines(lines: Iterable[tuple[str, ...]], kind: Kind | None) -> Iterator[str]:
    """A block a row: a line for each column that is filled, also where it should be empty."""
    named = columns_of(kind)
    for seq, cells in enumerate(lines, 1):
        yield f"SEQ {seq}"
        filled = [(number, cell) for number, cell in enumerate(cells, 1) if cell.strip()]
        names = [f"{n}.{named[n - 1].name}" if n <= len(named) else f"{n}." for n, _ in filled]
        yield from _table(
            [("", name, _say(number, cell)) for name, (number, cell) in zip(names, filled, strict=True)]
        )


def _cell(row: tuple[str, ...], heading: str, place: int) -> str:
    cell = one_line(row[place - 1]) if len(row) >= place else ""
    return _STATES.get(cell, cell) if heading == "状態" else cell


def _say(number: int, cell: str) -> str:
    found = read_csr(cell) if number == _CSR else None
    if found is None:
        return one_line(cell)
    dn, csr = found
    return f"{csr.public_key}, {dn.text()}, SPKI SHA-256 {csr.public_key_sha256}"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (cell + " " * (room - width(cell)) for cell, room in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
