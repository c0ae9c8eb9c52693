"""The columns of the application TSVs: issue, renewal, revocation of server certificates, change of contact.

All share one grid of thirteen columns (manual 1-1-2, manual 1-2-2, manual 1-3); what a kind does not use stays empty.
"""

from dataclasses import dataclass, replace
from enum import Enum

from store.states import Kind


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


def _reserved(number: int, name: str = "予約", english: str = "reserved") -> Column:
    return Column(number, name, english, Characters.ASCII, 0, required=False, reserved=True)


def _empty(column: Column) -> Column:
    return _reserved(column.number, column.name, column.english)


_DN = Column(1, "主体者DN", "subject DN", Characters.ASCII, 250)
_PROFILE = Column(2, "証明書プロファイルID", "certificate profile ID", Characters.DIGITS, 2)
_OLD_SERIAL = Column(
    4, "失効対象証明書シリアル番号", "serial number of the certificate to revoke", Characters.DIGITS, 32
)
_CSR = Column(7, "CSR", "CSR", Characters.ASCII, 2048)
_CONTACT_NAME = Column(8, "利用管理者氏名", "contact name", Characters.TEXT, 64)
_CONTACT_DEPARTMENT = Column(9, "利用管理者所属", "contact department", Characters.TEXT, 64)
_CONTACT_MAIL = Column(10, "利用管理者mail", "contact mail", Characters.MAIL, 78)
_FQDN = Column(11, "利用管理者FQDN", "server FQDN", Characters.ASCII, 64)
_SOFTWARE = Column(12, "利用管理者ソフトウェア名等", "server software", Characters.TEXT, 128)
_DNS_NAMES = Column(13, "dNSName", "dNSName", Characters.ASCII, 250, required=False)

ISSUE_COLUMNS = (
    _DN,
    _PROFILE,
    _reserved(3),
    _reserved(4),
    _reserved(5),
    _reserved(6),
    _CSR,
    _CONTACT_NAME,
    _CONTACT_DEPARTMENT,
    _CONTACT_MAIL,
    _FQDN,
    _SOFTWARE,
    _DNS_NAMES,
)

RENEW_COLUMNS = (*ISSUE_COLUMNS[:3], _OLD_SERIAL, *ISSUE_COLUMNS[4:])

REVOKE_COLUMNS = (
    _DN,
    _empty(_PROFILE),
    _reserved(3),
    _OLD_SERIAL,
    Column(5, "失効理由", "revocation reason", Characters.DIGITS, 1),
    Column(6, "失効理由コメント", "revocation comment", Characters.TEXT, 128, required=False),
    _empty(_CSR),
    _empty(_CONTACT_NAME),
    _empty(_CONTACT_DEPARTMENT),
    _CONTACT_MAIL,
    _empty(_FQDN),
    _empty(_SOFTWARE),
    _empty(_DNS_NAMES),
)

CONTACT_COLUMNS = (
    _DN,
    _empty(_PROFILE),
    _reserved(3),
    Column(4, "シリアル番号", "certificate serial number", Characters.DIGITS, 32),
    _reserved(5),
    _reserved(6),
    _empty(_CSR),
    _CONTACT_NAME,
    _CONTACT_DEPARTMENT,
    _CONTACT_MAIL,
    _empty(_FQDN),
    replace(_SOFTWARE, required=False),
    _empty(_DNS_NAMES),
)

# a change of contact is no Kind: it needs no certificate to be made or revoked
COLUMNS_OF = {Kind.ISSUE: ISSUE_COLUMNS, Kind.RENEW: RENEW_COLUMNS, Kind.REVOKE: REVOKE_COLUMNS}

_ENGLISH = {
    column.name: column.english for columns in (*COLUMNS_OF.values(), CONTACT_COLUMNS) for column in columns
}


def column_name(number: int, columns: tuple[Column, ...] = ISSUE_COLUMNS) -> str | None:
    """The manual's name of a column in one kind's table, None beyond the last."""
    return columns[number - 1].name if 1 <= number <= len(columns) else None


def english_name(name: str) -> str:
    """Our English for a column's name; a name from another grid stays as it is."""
    return _ENGLISH.get(name, name)
