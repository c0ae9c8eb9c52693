"""The operator's list of public keys that nobody may have a certificate for (threats CSR2)."""

import re
from pathlib import Path

from bot.register import RegisterFault
from bot.toml_file import Fault

_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")


def read_blocked_keys(path: Path) -> frozenset[str]:
    """SHA-256 of each key's SPKI in DER, in lower-case hex: one a line, `#` begins a comment.

    Raises RegisterFault with every line that is none: a list that is half understood protects nobody.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise RegisterFault([Fault(path, None, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise RegisterFault([Fault(path, None, "", "is not UTF-8 text")]) from error
    found = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, start=1)]
    message = "is no SHA-256 of a public key: 64 hexadecimal digits"
    faults = [
        Fault(path, number, "", message) for number, line in found if line and not _DIGEST.fullmatch(line)
    ]
    if faults:
        raise RegisterFault(faults)
    return frozenset(line.lower() for _, line in found if line)
