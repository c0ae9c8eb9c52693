"""Host names that may stand in a certificate (RFC 5280 4.2.1.6, RFC 5890; threats CSR4)."""

import re
from functools import lru_cache

import idna

LONGEST_NAME = 253
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# the last label of something that software reads as an IPv4 address (WHATWG URL, "ends in a number")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
PREFIX = re.compile(r"dnsname=", re.I)
_LOOKS_LIKE_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")


def split_dns_names(text: str) -> tuple[str, ...]:
    """The names of column 13 as written: `a,b` or `dNSName=a, dNSName=b`; empty items are skipped."""
    items = (PREFIX.sub("", item.strip(" "), count=1).strip(" ") for item in text.split(","))
    return tuple(item for item in items if item)


def is_dns_name(name: str, *, allow_wildcard: bool) -> bool:
    """Whether a name in lower case may stand in a certificate.

    Two or more LDH labels, no IP address, no dot at the end; `*` only as the whole first label; `xn--` labels
    must be the one IDNA 2008 form of what they show.
    """
    if len(name) > LONGEST_NAME:
        return False
    plain = name.removeprefix("*.") if allow_wildcard else name
    labels = plain.split(".")
    return (
        len(labels) >= 2
        and all(_is_label(label) for label in labels)
        and NUMBER.fullmatch(labels[-1]) is None
    )


def unicode_form(name: str) -> str:
    """The name as people read it: `xn--` labels decoded where they are good IDNA 2008, the rest as it is."""
    if "xn--" not in name:
        return name
    return ".".join(_decode_label(label) or label for label in name.split("."))


def find_name(text: str) -> str | None:
    """What looks like a host name, in lower case, good or not: only to find whose application it is."""
    name = text.strip(" ").lower().rstrip(".")
    return name if _LOOKS_LIKE_NAME.fullmatch(name) else None


def _is_label(label: str) -> bool:
    if LABEL.fullmatch(label) is None:
        return False
    # two hyphens there are reserved, and `xn--` is the one use (RFC 5890 2.3.1)
    return label[2:4] != "--" or _decode_label(label) is not None


@lru_cache(maxsize=1024)
def _decode_label(label: str) -> str | None:
    if not label.startswith("xn--"):
        return None
    try:
        shown = idna.ulabel(label)
        return shown if idna.alabel(shown).decode("ascii") == label else None
    except UnicodeError:
        return None
