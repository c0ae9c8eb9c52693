"""Row errors: number, text, cause and remedy (manual 1-1-4; numbers 200-371 are the real service's, 900-929
are ours, warnings begin at 950). The words stand in `error_words`."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from handlers.rules.columns import ISSUE_COLUMNS, Column, column_name, english_name
from handlers.rules.error_words import words_for

MOST_ERRORS_A_ROW = 20
LONGEST_SHOWN = 200
FIRST_WARNING = 950


class Code(IntEnum):
    """Numbers below 900 are the real service's, from 900 ours. The comments say what `values` hold."""

    REQUIRED = 201
    TOO_LONG = 202  # most characters, characters found
    NOT_DIGITS = 204
    CHARACTERS = 205  # the characters at fault
    FORM = 206  # the part at fault
    FILE_MISSING = 208
    EXTENSION = 209  # the file's name
    DN_EXISTS = 212  # the DN
    FILE_EMPTY = 213
    TOO_MANY_ROWS = 214  # most rows, rows found
    INSTITUTION_INACTIVE = 215
    ORGANIZATION = 241  # the registered O, the O found
    OU_NOT_LISTED = 371  # the OU
    PROFILE = 900  # the profiles allowed
    CN_NOT_FQDN = 901  # CN, FQDN
    NOT_REVOCABLE = 902
    CSR_UNREADABLE = 903  # where reading failed
    CSR_SUBJECT = 904  # the CSR's subject
    KEY_NOT_ALLOWED = 905  # the key found, the key wanted
    KEY_USED = 906
    OLD_SERIAL = 907
    OUTSIDE_DOMAINS = 908  # the name, the registered domains
    MUST_BE_EMPTY = 909
    COLUMN_COUNT = 910  # columns found (0: a blank line), columns wanted
    QUOTED = 911
    ENCODING = 912
    NAME_FORM = 913  # the name
    REASON_CODE = 914
    COMMENT_NEEDED = 915
    DUPLICATE = 916  # the SEQ it repeats
    NEWLINE = 917
    FILE_TOO_LARGE = 918  # most bytes, bytes found
    WEAK_KEY = 919  # the weakness
    NOT_VETTED = 920  # the domain
    APPROVAL_EXPIRED = 921  # the domain, the last good day
    WHOIS_UNREACHABLE = 922  # the domain
    WHOIS_DIFFERS = 923  # the domain
    LOCALITY = 924  # the registered L, the L found
    STATE = 925  # the registered ST, the ST found
    STATE_OR_LOCALITY_MISSING = 926  # L or ST, its registered value
    CSR_DIGEST = 927  # the digest found
    CSR_MAIL_ADDRESS = 928
    OU_NOT_USED = 929  # the OU

    # found right before issuing
    UNPROVEN = 930
    TAMPERED = 931
    CA_REFUSED = 932

    # changes of contact
    NOT_VALID = 933

    # warnings: the row is taken
    UTF8_FILE = 950
    EXTENSION_CHARACTERS = 951  # the characters
    NAME_REPEATED = 952  # the name
    NAME_LOWERED = 953  # the name as it stands in the certificate
    OU_DROPPED = 955  # the OU
    CSR_NAMES_IGNORED = 956  # the names
    CONTACT_OUTSIDE = 957  # the address
    CONTACT_DIFFERS = 958
    OTHER_CONTACT = 959


@dataclass(frozen=True)
class RowError:
    """One fault of one row. `column` is its number, `column_name` the manual's name.

    Both are None for a whole row or file. `values` fill the places of the code's words (a length, a name).
    Also used, with codes from 950, for warnings.
    """

    code: int
    column: int | None = None
    column_name: str | None = None
    values: tuple[str, ...] = ()

    @property
    def is_warning(self) -> bool:
        return self.code >= FIRST_WARNING

    def cell(self, language: Literal["ja", "en"]) -> str:
        """The エラー内容 cell: `241:1.主体者DN,主体者DNの機関名が…` (manual 1-1-4 step 7).

        For a whole row or file nothing stands between the colon and the comma: `910:,列数が…`. So
        `^(\\d+):(?:(\\d+)\\.([^,]*))?,(.*)$` reads every cell.
        """
        return f"{self.code}:{self._place(language)},{self._say(language, 0)}"

    def cause(self, language: Literal["ja", "en"]) -> str:
        """原因: why it is an error."""
        return self._say(language, 1)

    def remedy(self, language: Literal["ja", "en"]) -> str:
        """対処方法: what to do about it."""
        return self._say(language, 2)

    def _place(self, language: Literal["ja", "en"]) -> str:
        if self.column is None:
            return ""
        name = self.column_name or ""
        return f"{self.column}.{name if language == 'ja' else english_name(name)}"

    def _say(self, language: Literal["ja", "en"], which: int) -> str:
        words = words_for(self.code, self.column)[language][which]
        # a caller may give fewer values than the text has places for: never a crash for want of a detail
        shown = [show_value(value) for value in self.values] + ["-"] * 2
        return words.format(*shown)


def row_error(
    code: Code, column: int | None = None, *values: str, columns: tuple[Column, ...] = ISSUE_COLUMNS
) -> RowError:
    """A row error with the column's name in the table of the kind that was applied for."""
    return RowError(code, column, column_name(column, columns) if column else None, values)


def name_columns(errors: Iterable[RowError], columns: tuple[Column, ...]) -> tuple[RowError, ...]:
    """The same errors with the names that their columns have in another kind's table."""
    return tuple(
        replace(error, column_name=column_name(error.column, columns)) if error.column else error
        for error in errors
    )


def show_value(value: str) -> str:
    """A value from a file, fit for a line of a mail: the invisible shown as `U+202E`, a long one cut."""
    cut = value[:LONGEST_SHOWN]
    shown = "".join(char if _is_visible(char) else f"U+{ord(char):04X}" for char in cut)
    return shown + ("…" if len(value) > LONGEST_SHOWN else "")


def _is_visible(char: str) -> bool:
    return char == "\u3000" or (char.isprintable() and not unicodedata.combining(char))
