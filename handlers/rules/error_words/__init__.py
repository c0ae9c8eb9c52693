"""The words of row errors and warnings: text, cause and remedy of each code, in both languages.

`{0}` and `{1}` are the error's values. The words that the manual gives (1-1-4 steps 5 and 7) are kept to the
letter.
"""

from handlers.rules.error_words.csr import CSR
from handlers.rules.error_words.form import FORM
from handlers.rules.error_words.issuing import ISSUING
from handlers.rules.error_words.names import NAMES
from handlers.rules.error_words.says import Says, Words
from handlers.rules.error_words.standing import STANDING
from handlers.rules.error_words.warnings import WARNINGS

_WORDS: dict[tuple[int, int | None], Words] = {**FORM, **NAMES, **CSR, **STANDING, **ISSUING, **WARNINGS}


def words_for(code: int, column: int | None) -> Words:
    """The words of a code; a column may have its own. KeyError for a code that is not in the table."""
    return _WORDS.get((code, column)) or _WORDS[code, None]


def coded_words() -> tuple[tuple[tuple[int, int | None], Words], ...]:
    """The table: a code, the column that has its own words for it (None: all others), the words."""
    return tuple(_WORDS.items())


def codes_with_words() -> frozenset[int]:
    """Every code in the table."""
    return frozenset(code for code, _ in _WORDS)


def all_words() -> tuple[Words, ...]:
    """The whole table, for those who check it."""
    return tuple(_WORDS.values())


__all__ = ["Says", "Words", "all_words", "coded_words", "codes_with_words", "words_for"]
