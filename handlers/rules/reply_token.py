"""The word that an applicant's answer brings back: short enough to type, too long to guess."""

import re

# RFC 4648 6 without those that look alike: no I, L, O, 0, 1
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_GROUPS, _SIZE = 4, 4
RANDOM_BYTES = 16
_FORM = re.compile(
    rf"(?<![0-9A-Z-])[{_ALPHABET}]{{{_SIZE}}}(?:-[{_ALPHABET}]{{{_SIZE}}}){{{_GROUPS - 1}}}(?![0-9A-Z-])",
    re.I,
)


def reply_token(random: bytes) -> str:
    """`8FKQ-2M7T-XW4H-9RCE`, 79 bits, from 16 random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError("16 random bytes make a token")
    number, letters = int.from_bytes(random), []
    for _ in range(_GROUPS * _SIZE):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    text = "".join(letters)
    return "-".join(text[i : i + _SIZE] for i in range(0, len(text), _SIZE))


def tokens_in(text: str) -> tuple[str, ...]:
    """Everything that has a token's form, in upper case, each once, in order: whether it is one the store knows."""
    return tuple(dict.fromkeys(found.upper() for found in _FORM.findall(text)))
