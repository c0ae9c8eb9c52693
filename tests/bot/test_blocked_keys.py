"""The operator's list of public keys (threats CSR2): read whole or refused, and read again with the register."""

from pathlib import Path

import pytest

from bot.blocked_keys import read_blocked_keys
from bot.register import RegisterFault

A, B = "0123456789abcdef" * 4, "fedcba9876543210" * 4


def faults_of(path: Path) -> list[str]:
    with pytest.raises(RegisterFault) as caught:
        read_blocked_keys(path)
    return [str(fault).replace(f"{path}", "list") for fault in caught.value.faults]


def test_CSR2_the_list_has_one_digest_a_line_with_comments_and_either_case(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    path.write_bytes(f"# burnt\r\n\n{A}  # of a leaked image\r\n  {B.upper()}\n".encode())
    assert read_blocked_keys(path) == {A, B}


def test_CSR2_an_empty_list_blocks_nothing(tmp_path: Path) -> None:
    (tmp_path / "blocked.txt").write_text("# none yet\n")
    assert read_blocked_keys(tmp_path / "blocked.txt") == frozenset()


def test_CSR2_a_list_that_is_not_understood_whole_is_refused_with_every_line(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    path.write_text(f"{A}\n{B[:40]}\nSHA256:{B}\n{A} {B}\n")
    message = "is no SHA-256 of a public key: 64 hexadecimal digits"
    assert faults_of(path) == [f"list:{line}: {message}" for line in (2, 3, 4)]


def test_CSR2_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    assert faults_of(path) == ["list: cannot be read: No such file or directory"]
    path.write_bytes(b"\xff\xfe")
    assert faults_of(path) == ["list: is not UTF-8 text"]
