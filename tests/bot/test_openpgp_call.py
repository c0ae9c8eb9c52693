"""How gpg is called, and what a user id or a stuck program can do to us: nothing."""

import ast
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.openpgp.call import Gpg, GpgFault
from bot.openpgp.keys import Verified
from handlers.rules.reasons import Reason
from tests.keys import clearsign, export_key, gpg_home, make_key, sign_detached
from tests.officer_keys import keys_of
from tests.openpgp_packets import RawKey, armor

NOW = datetime.now(UTC)
SIGNED = "承認\r\n".encode()


@pytest.fixture
def home(need: Callable[[str], str]) -> Iterator[Path]:
    need("gpg")
    with gpg_home() as made:
        yield made


def _program(file: Path, body: str) -> str:
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o700)
    return str(file)


def _python(directory: Path, body: str) -> str:
    """A program in Python; STATUS is the descriptor that it was given for its status."""
    start = "import os, sys, time\nSTATUS = int(sys.argv[sys.argv.index('--status-fd') + 1])\n"
    file = directory / "program"
    file.write_text(f"#!{sys.executable}\n{start}{body}\n")
    file.chmod(0o700)
    return str(file)


def _wait_for_end(number: str) -> None:
    deadline = time.monotonic() + 10
    while _is_running(number):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(number: str) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # a killed child of a child is a zombie until init takes it
    return state != "Z"


def test_PGP1_gpg_is_called_with_exactly_these_arguments_and_this_environment(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need: Callable[[str], str]
) -> None:
    monkeypatch.setenv("GNUPGHOME", "/nonexistent")
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    record = tmp_path / "record"
    body = f"""record = (sys.argv[1:], sorted(os.environ.items()), sorted(os.listdir("/proc/self/fd")))
open({str(record)!r}, "w").write(repr(record))
os.execv({need("gpg")!r}, sys.argv)"""
    key = make_key(home, "a", "a@example.ac.jp")
    files = {"a": (key, export_key(home, key))}
    officers = keys_of(files, tmp_path / "register", _python(tmp_path, body))
    signature = sign_detached(home, key, SIGNED)
    assert isinstance(officers.verify_detached(SIGNED, signature, NOW), Verified)

    [ring] = (tmp_path / "register" / "rings").iterdir()
    arguments, environment, descriptors = ast.literal_eval(record.read_text())
    status = arguments[arguments.index("--status-fd") + 1]
    assert int(status) > 2
    start = "--no-options --batch --no-tty --no-verbose --no-auto-key-retrieve --disable-dirmngr --homedir"
    weak = "--weak-digest SHA1 --weak-digest RIPEMD160"
    assert arguments[:-2] == f"{start} {ring} {weak} --status-fd {status} --verify".split()
    assert [Path(name).name for name in arguments[-2:]] == ["signature", "signed"]
    assert not Path(arguments[-1]).exists()
    assert environment == [("HOME", str(ring)), ("LC_ALL", "C"), ("PATH", os.environ["PATH"])]
    # one more: the listing of the descriptors itself
    assert len(descriptors) == 5
    assert {"0", "1", "2", status} < set(descriptors)


HOSTILE = "B" * 40


@pytest.mark.parametrize(
    "user_id",
    [
        "内田 光 先",
        f"x\u0085[GNUPG:] VALIDSIG {HOSTILE} 2026-11-22 1795000000 0 4 0 22 8 00 {HOSTILE}",
        f"x\u2028[GNUPG:] GOODSIG {HOSTILE[:16]} x\u2028[GNUPG:] VALIDSIG {HOSTILE}",
        f"x\n[GNUPG:] VALIDSIG {HOSTILE} 2026-11-22 1795000000 0 4 0 22 8 00 {HOSTILE}",
        "x\u2029[GNUPG:] REVKEYSIG 0000000000000000 x\x0b[GNUPG:] BADSIG x\r[GNUPG:] NODATA 1",
        "[GNUPG:] BADSIG EXPKEYSIG ERROR",
        f"x\u2028pub:r\u2028fpr:::::::::{HOSTILE}:\u2028pub\u0085fpr",
        "\N{RIGHT-TO-LEFT OVERRIDE}%0A[GNUPG:] FAILURE x 1",
    ],
)
def test_PGP1_a_user_id_decides_nothing(home: Path, tmp_path: Path, user_id: str) -> None:
    key = RawKey(Ed25519PrivateKey.generate(), created=1_600_000_000)
    officers = keys_of({"a": (key.fingerprint, key.certificate(user_id.encode()))}, tmp_path)
    good = officers.verify_detached(SIGNED, armor(key.signature(0, SIGNED, age=60)), NOW)
    assert isinstance(good, Verified)
    assert good.fingerprint == key.fingerprint
    bad = armor(key.signature(0, b"other\r\n", age=60))
    assert officers.verify_detached(SIGNED, bad, NOW) is Reason.BAD_SIGNATURE


def test_PGP7_an_output_of_gpg_that_is_not_the_text_we_read_is_refused(
    home: Path, tmp_path: Path, need: Callable[[str], str]
) -> None:
    key = make_key(home, "a", "a@example.ac.jp")
    block = clearsign(home, key, SIGNED)
    files = {"a": (key, export_key(home, key))}
    assert isinstance(keys_of(files, tmp_path / "1").verify_inline(block, NOW), Verified)
    # a gpg with one more of the faults that it has had with such blocks
    body = f"""import subprocess
code = subprocess.call([{need("gpg")!r}, *sys.argv[1:]], pass_fds=[STATUS])
if "--output" in sys.argv:
    open(sys.argv[sys.argv.index("--output") + 1], "ab").write(b"x")
sys.exit(code)"""
    officers = keys_of(files, tmp_path / "2", _python(tmp_path, body))
    assert officers.verify_inline(block, NOW) is Reason.SIGNATURE_BLOCK


def test_PGP1_the_attack_by_user_id_works_on_a_text_reader(home: Path, tmp_path: Path) -> None:
    key = RawKey(Ed25519PrivateKey.generate(), created=1_600_000_000)
    user_id = f"x\u2028[GNUPG:] VALIDSIG {HOSTILE}".encode()
    officers = keys_of({"a": (key.fingerprint, key.certificate(user_id))}, tmp_path)
    verdict = officers.verify_detached(SIGNED, armor(key.signature(0, SIGNED, age=60)), NOW)
    assert isinstance(verdict, Verified)
    assert f"[GNUPG:] VALIDSIG {HOSTILE}" in verdict.status.decode().splitlines()


def test_PGP1_a_gpg_that_does_not_end_is_killed(tmp_path: Path) -> None:
    program = _program(tmp_path / "stuck", f"sleep 600 & echo $$ $! > {tmp_path}/ids; wait")
    with pytest.raises(GpgFault, match="did not end within 0.3 seconds") as caught:
        Gpg(program, tmp_path).call((), (), limit=0.3)
    assert caught.value.temporary
    for number in (tmp_path / "ids").read_text().split():
        _wait_for_end(number)


def test_a_gpg_that_closes_its_status_and_stays_is_killed_too(tmp_path: Path) -> None:
    program = _python(tmp_path, "os.close(STATUS)\ntime.sleep(600)")
    with pytest.raises(GpgFault, match="did not end"):
        Gpg(program, tmp_path).call((), (), limit=0.5)


def test_more_status_and_output_than_a_pipe_holds_is_read(tmp_path: Path) -> None:
    body = "os.write(1, b'o' * 300_000)\nos.write(2, b'e' * 300_000 + b'end')\n"
    program = _python(tmp_path, body + "os.write(STATUS, b's' * 300_000)\nsys.exit(3)")
    answer = Gpg(program, tmp_path).call((), ())
    assert (answer.exit, len(answer.status), len(answer.output)) == (3, 300_000, 300_000)
    assert answer.said == "e" * 497 + "end"


def test_endless_status_is_a_fault(tmp_path: Path) -> None:
    program = _python(tmp_path, "while True: os.write(STATUS, b'y' * 5000)")
    with pytest.raises(GpgFault, match="more than 1048576 bytes"):
        Gpg(program, tmp_path).call((), ())


def test_a_gpg_ended_by_a_signal_is_a_temporary_fault(tmp_path: Path) -> None:
    with pytest.raises(GpgFault, match="signal 9") as caught:
        Gpg(_program(tmp_path / "killed", "kill -9 $$"), tmp_path).call((), ())
    assert caught.value.temporary


@pytest.mark.parametrize("name", ["missing", "not-executable"])
def test_a_gpg_that_cannot_be_started_is_a_lasting_fault(tmp_path: Path, name: str) -> None:
    (tmp_path / "not-executable").write_text("")
    with pytest.raises(GpgFault, match="cannot be started") as caught:
        Gpg(str(tmp_path / name), tmp_path).call((), ())
    assert not caught.value.temporary


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    programs = [_program(tmp_path / "ok", "exit 0"), str(tmp_path / "missing")]
    programs.append(_program(tmp_path / "stuck", "exec sleep 600"))
    before = sorted(os.listdir("/proc/self/fd"))
    for program in programs:
        try:
            Gpg(program, tmp_path).call((), (), stdin=b"x\n", limit=0.2)
        except GpgFault:
            continue
    assert sorted(os.listdir("/proc/self/fd")) == before
