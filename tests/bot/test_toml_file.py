"""The line of a fault in a TOML file, and what is said of it."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from bot.toml_file import TomlFault, line_of, load_toml

TEXT = """\
# a comment with [brackets]
name = "試験\u0085\u2028機関"
list = [
  "one",  # ]
  "two",
]
dotted.key = 1
"quoted key" = 2
text = '''
[not.a.header]
'''

[[officers]]
id = "a"
openpgp = [{ fingerprint = "1", file = "a.asc" }]

[[officers]]
id = "b"
  [[officers.openpgp]]
  fingerprint = "2"

  [[officers.openpgp]]
  fingerprint = "3"

[policy.deep]
approvals = 1

[policy]
name = "x"
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("name",), 2),
        (("list",), 3),
        (("list", 1), 3),
        (("dotted", "key"), 7),
        (("quoted key",), 8),
        (("text",), 9),
        (("officers",), 13),
        (("officers", 0), 13),
        (("officers", 0, "id"), 14),
        (("officers", 0, "openpgp", 0, "fingerprint"), 15),
        (("officers", 1), 17),
        (("officers", 1, "missing"), 17),
        (("officers", 1, "openpgp", 0, "fingerprint"), 20),
        (("officers", 1, "openpgp", 1, "fingerprint"), 23),
        (("policy", "deep", "approvals"), 26),
        (("policy",), 28),
        (("policy", "branch-of-a-union", "name"), 29),
        (("nowhere",), None),
        (("not", "a", "header"), None),
    ],
)
def test_a_key_is_found_on_its_line(loc: tuple[int | str, ...], line: int | None) -> None:
    assert line_of(TEXT, loc) == line


def test_windows_line_ends_count_as_one() -> None:
    assert line_of(TEXT.replace("\n", "\r\n"), ("policy", "name")) == 29


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Strict):
    kind: Literal["file"]
    path: str


class Token(_Strict):
    kind: Literal["token"]
    slot: int


class Sample(_Strict):
    id: str
    count: int
    password: Annotated[str, Field(min_length=8)] = "long enough"
    key: Annotated[Key | Token, Field(discriminator="kind")] | None = None


def _faults(path: Path, text: str | bytes) -> list[str]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(TomlFault) as caught:
        load_toml(path, Sample, id="x")
    return [str(fault).replace(str(path), "FILE") for fault in caught.value.faults]


def test_a_file_without_fault_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b'\xef\xbb\xbfcount = 1\r\nkey = { kind = "token", slot = 2 }\r\n')
    assert load_toml(path, Sample, id="x") == Sample(id="x", count=1, key=Token(kind="token", slot=2))


def test_every_fault_is_told_with_its_line_and_no_value(tmp_path: Path) -> None:
    text = 'cuont = 1\npassword = "s3cret"\n[key]\nkind = "token"\nslot = "hidden"\n'
    assert _faults(tmp_path / "a.toml", text) == [
        "FILE: count: is missing",
        "FILE:1: cuont: unknown key",
        "FILE:2: password: String should have at least 8 characters",
        "FILE:5: key.token.slot: Input should be a valid integer, unable to parse string as an integer",
    ]


def test_a_field_that_the_caller_gives_is_refused_in_the_file(tmp_path: Path) -> None:
    assert _faults(tmp_path / "a.toml", 'count = 1\nid = "y"\n') == ["FILE:2: id: may not be given here"]
    # and does not hide the other faults
    assert len(_faults(tmp_path / "a.toml", 'count = "n"\nid = "y"\n')) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("count = 1\nname = \n", 2),
        ("count = 1\n\n[a]\n[a]\n", 4),
        ("count = 1\nlist = [\n1,\n", 3),
        (b"count = 1\nname = '\xff'\n", 2),
    ],
)
def test_a_file_that_is_not_toml_is_told_with_the_line(tmp_path: Path, text: str | bytes, line: int) -> None:
    [fault] = _faults(tmp_path / "a.toml", text)
    assert fault.startswith(f"FILE:{line}: is not ")
    assert "at line" not in fault


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(TomlFault, match="cannot be read: No such file or directory"):
        load_toml(tmp_path / "none.toml", Sample, id="x")
