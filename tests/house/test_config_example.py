"""config.example.toml names every key there is, and no other; what it calls built in is built in."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from bot.config import Config, load_config
from handlers.rules.profile import DEFAULT_PROFILES

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
_COMMENTED_KEY = re.compile(r"^# ([a-z0-9_]+ = .+)$")
# shown with an example, for the built-in value is nothing
_WITHOUT_VALUE = {
    ("monitors",),
    ("holidays",),
    ("blocked_keys",),
    ("timestamp_url",),
    ("imap", "token_command"),
    ("imap", "ca_file"),
    ("imap", "authserv_id"),
    ("smtp", "token_command"),
    ("smtp", "ca_file"),
    ("openpgp", "passphrase_file"),
    ("ca", "pkcs11"),
    ("ca", "chain"),
    ("ca", "credential"),
    ("ca", "crl_url"),
    ("ca", "issuer_url"),
    ("ca", "ocsp_url"),
    ("web", "trusted_proxies"),
    ("web", "metrics_port"),
    ("smime", "crl_sources"),
    ("smime", "certificate"),
    ("smime", "key"),
    ("smime", "chain"),
    ("smime", "passphrase_file"),
}
# a section that may be left out as a whole, but not without this key
_REQUIRED_THERE = ("smime", "ca_file")


def model_of(annotation: object) -> type[BaseModel] | None:
    """The model in a field's type: itself, or one that a tuple or an Annotated holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := model_of(inner))), None)


def keys_of(model: type[BaseModel], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every key that can be set, with its default."""
    keys: dict[tuple[str, ...], Any] = {}
    for name, field in model.model_fields.items():
        if inner := model_of(field.annotation):
            keys |= keys_of(inner, (*above, name))
        else:
            keys[*above, name] = field.get_default()
    return keys


def lines_of_example(*, commented: bool) -> dict[tuple[str, ...], Any]:
    """The keys that are set (or only shown in a comment) in the example; the first [[profile]] stands for all."""
    section: tuple[str, ...] = ()
    found: dict[tuple[str, ...], Any] = {}
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := re.match(r"^(?:# )?\[+([a-z.]+)\]+$", line):
            section = tuple(header[1].split("."))
        shown = _COMMENTED_KEY.match(line)
        statement = shown[1] if commented and shown else line
        if bool(shown) == commented and re.match(r"^[a-z0-9_]+ = ", statement):
            [(key, value)] = tomllib.loads(statement).items()
            found.setdefault((*section, key), value)
    return found


def test_the_example_loads() -> None:
    config = load_config(EXAMPLE)
    assert config.profile == DEFAULT_PROFILES


def test_the_example_names_every_key_and_no_unknown_one() -> None:
    named = {**lines_of_example(commented=True), **lines_of_example(commented=False)}
    assert set(named) == set(keys_of(Config))


def test_the_example_loads_with_every_key_it_only_shows(tmp_path: Path) -> None:
    lines = [_COMMENTED_KEY.sub(r"\1", line) for line in EXAMPLE.read_text(encoding="utf-8").splitlines()]
    lines = [re.sub(r"^# (\[[a-z.]+\])$", r"\1", line) for line in lines]
    # of the two ways to log in, and of the two places of the CA's key, only one may be given
    lines = [line for line in lines if not line.startswith(("token_command", "pkcs11"))]
    (tmp_path / "all.toml").write_text("\n".join(lines), encoding="utf-8")
    assert load_config(tmp_path / "all.toml").monitors == ("monitor@example.ac.jp",)


def test_what_the_example_shows_as_built_in_is_built_in() -> None:
    defaults = keys_of(Config)
    shown = lines_of_example(commented=True)
    for key in set(shown) - _WITHOUT_VALUE - {_REQUIRED_THERE}:
        default = defaults[key]
        expected = list(default) if isinstance(default, tuple) else default
        assert shown[key] == (str(expected) if isinstance(expected, Path) else expected), key
    assert set(shown) >= _WITHOUT_VALUE


@pytest.mark.parametrize("key", sorted(_WITHOUT_VALUE))
def test_an_example_value_stands_only_where_nothing_is_built_in(key: tuple[str, ...]) -> None:
    assert keys_of(Config)[key] in (None, ())
