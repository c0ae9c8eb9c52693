"""The columns of the TSV for a new server certificate (サーバ証明書 新規発行申請, manual 1-1-2)."""

from dataclasses import dataclass
from enum import Enum


class Characters(Enum):
    """What a column may hold; the rules are in `characters`."""

    DIGITS = "半角数字"
    ASCII = "半角英数字記号"
    MAIL = "E-mail"
    TEXT = "全角・半角"


@dataclass(frozen=True)
class Column:
    """One column. `name` is the manual's, `english` ours; `max_length` counts characters, not bytes.

    A `reserved` column must be empty. A `required` one must not.
    """

    number: int
    name: str
    english: str
    characters: Characters
    max_length: int
    required: bool = True
    reserved: bool = False


def _reserved(number: int) -> Column:
    return Column(number, "予約", "reserved", Characters.ASCII, 0, required=False, reserved=True)


ISSUE_COLUMNS = (
    Column(1, "主体者DN", "subject DN", Characters.ASCII, 250),
    Column(2, "証明書プロファイルID", "certificate profile ID", Characters.DIGITS, 2),
    _reserved(3),
    _reserved(4),
    _reserved(5),
    _reserved(6),
    Column(7, "CSR", "CSR", Characters.ASCII, 2048),
    Column(8, "利用管理者氏名", "contact name", Characters.TEXT, 64),
    Column(9, "利用管理者所属", "contact department", Characters.TEXT, 64),
    Column(10, "利用管理者mail", "contact mail", Characters.MAIL, 78),
    Column(11, "利用管理者FQDN", "server FQDN", Characters.ASCII, 64),
    Column(12, "利用管理者ソフトウェア名等", "server software", Characters.TEXT, 128),
    Column(13, "dNSName", "dNSName", Characters.ASCII, 250, required=False),
)

_ENGLISH = {column.name: column.english for column in ISSUE_COLUMNS}


def column_name(number: int) -> str | None:
    """The manual's name of a column, None beyond the last."""
    return ISSUE_COLUMNS[number - 1].name if 1 <= number <= len(ISSUE_COLUMNS) else None


def english_name(name: str) -> str:
    """Our English for a column's name; a name from another grid stays as it is."""
    return _ENGLISH.get(name, name)
