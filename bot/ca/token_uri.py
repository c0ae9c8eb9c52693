"""Where a CA key lies in a hardware token: the `pkcs11:` URI of RFC 7512, as far as it serves here."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

_SCHEME = "pkcs11:"
_PATH = ("token", "object", "type")
_QUERY = ("module-path",)
_EXAMPLE = "pkcs11:token=ca;object=ca-key?module-path=/usr/lib/softhsm/libsofthsm2.so"


@dataclass(frozen=True)
class TokenKey:
    """`module`: the token's library, from its maker. `token`, `label`: the names of token and private key."""

    module: Path
    token: str
    label: str


def read_token_uri(uri: str) -> TokenKey:
    """Raises ValueError, in words, for one that is not understood whole. No PIN stands in it: it is no secret."""
    if not uri.startswith(_SCHEME):
        raise ValueError(f"must begin with {_SCHEME}, such as {_EXAMPLE}")
    path, _, query = uri.removeprefix(_SCHEME).partition("?")
    found = {**_attributes(path, ";", _PATH), **_attributes(query, "&", _QUERY)}
    missing = [name for name in ("token", "object", "module-path") if not found.get(name)]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}; it looks like {_EXAMPLE}")
    if found.get("type", "private") != "private":
        raise ValueError("type must be private, or left out")
    module = Path(found["module-path"])
    if not module.is_absolute():
        raise ValueError("module-path must begin with /")
    return TokenKey(module, found["token"], found["object"])


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name.startswith("pin-"):
            raise ValueError(
                f"{name} has no place in it: the PIN stands in the file that ca.passphrase_file names"
            )
        if name not in known or name in found:
            raise ValueError(f"{name} is not understood, or stands twice; it looks like {_EXAMPLE}")
        found[name] = unquote(value, errors="strict")
    return found
