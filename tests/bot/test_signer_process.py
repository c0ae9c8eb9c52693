"""The signer as a process: what reaches its socket, who may ask, how it ends, and what a kill leaves behind."""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from bot.ca.protocol import CaFault
from bot.doctor.finding import Site
from bot.doctor.keys import examine_ca
from bot.signer.child import SignerChild
from bot.signer.client import SignerClient, socket_call
from store.signer_ledger import SignedRow, open_ledger
from store.transaction import reading
from tests.applications import tsv_line
from tests.hostile_desk import People, open_hostile_desk, open_people
from tests.signer_site import RINGI, SignerSite, kill, make_site


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[People]:
    need("gpg")
    with open_people(tmp_path_factory.mktemp("keys")) as opened:
        yield opened


@pytest.fixture
def site(people: People) -> Iterator[SignerSite]:
    # a socket's path may hold 107 bytes
    with tempfile.TemporaryDirectory(prefix="rs", dir="/tmp") as place:
        (Path(place) / "forged").mkdir()
        with open_hostile_desk(people, Path(place) / "forged") as desk:
            yield make_site(Path(place), people, desk)


def signed(site: SignerSite) -> list[bytes]:
    engine = open_ledger(site.config.signer.ledger)
    with reading(engine) as session:
        found = [row.der for row in session.scalars(select(SignedRow)) if row.der]
    engine.dispose()
    return found


def test_SIG1_the_desk_never_opens_the_key(site: SignerSite) -> None:
    """It is gone from where the desk could read it, and no descriptor of the desk shows it."""
    with site.ask() as signer:
        for name in ("ca.key", "passphrase"):
            (site.folder / name).rename(site.folder / f"{name}.hidden")
        (serial,) = signer.reserve(1)
        der = signer.issue(site.papers(), {1: serial.serial})[1]
        assert isinstance(der, bytes)
        assert x509.load_der_x509_certificate(der).serial_number == serial.serial
        held = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)}
        assert not any("ca.key" in name for name in held)
    assert signed(site) == [der]


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\0",
        b"\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 0),
        struct.pack(">I", 2**32 - 1) + b"x",
        struct.pack(">I", 100) + b"too short",
        struct.pack(">I", 400_000) + b"[" * 200_000 + b"]" * 200_000,
        struct.pack(">I", 9) + b"not json!",
        struct.pack(">I", 4) + b"\xff\xfe\0\0",
    ],
    ids=range(10),
)
def test_SIG1_junk_ends_the_connection_and_never_the_signer(site: SignerSite, junk: bytes) -> None:
    with site.child() as child:
        pid = child._process.pid  # type: ignore[union-attr]
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(site.config.signer.socket))
                # it may hang up before it has read all
                with suppress(ConnectionError):
                    connection.sendall(junk)
                    connection.shutdown(socket.SHUT_WR)
                    assert connection.recv(10) == b""
        assert SignerClient.open(child.call).issuer
        assert child._process.pid == pid  # type: ignore[union-attr]


def test_SIG1_our_own_fault_ends_the_connection_and_never_the_signer(site: SignerSite) -> None:
    code = (
        "import bot.signer.core as m\n"
        "def stumble(self, count):\n    raise RecursionError('planted')\n"
        "m.Signer._give_serials = stumble"
    )
    with site.child(code) as child:
        signer = SignerClient.open(child.call)
        with pytest.raises(CaFault) as caught:
            signer.reserve(1)
        assert caught.value.temporary
        assert SignerClient.open(child.call).issuer == signer.issuer


def test_SIG1_only_its_own_user_may_ask(site: SignerSite) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    path = site.config.signer.socket
    code = (
        "import os, socket, sys\nos.setgid(65534)\nos.setgroups([])\nos.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        's.sendall(b\'\\0\\0\\0\\x0e{"ask": "who"}\')\nprint(len(s.recv(10)))'
    )

    def try_it() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    with site.child():
        assert path.stat().st_mode & 0o777 == 0o600
        assert "Permission denied" in try_it()
        # were the mode forgotten, the kernel still says who asks
        for place in (path.parent, site.folder):
            place.chmod(0o755)
        path.chmod(0o666)
        # hung up on, earlier or later than the question was written
        assert try_it().partition(":")[0] in ("0", "ConnectionResetError", "BrokenPipeError")


def test_it_is_gone_with_the_desk(site: SignerSite) -> None:
    with site.child() as child:
        process = child._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    assert not site.config.signer.socket.exists()


def test_one_that_died_is_started_again_and_remembers(site: SignerSite) -> None:
    evidence = site.papers()
    with site.child() as child:
        signer = SignerClient.open(child.call)
        (serial,) = signer.reserve(1)
        first = signer.issue(evidence, {1: serial.serial})
        kill(child)
        assert signer.issue(evidence, {1: serial.serial}) == first
    assert signed(site) == [first[1]]


def test_one_that_keeps_dying_is_not_started_again_and_again(site: SignerSite) -> None:
    code = (
        "import os, signal\nimport bot.signer.core as m\n"
        "m.Signer._give_serials = lambda *a: os.kill(os.getpid(), signal.SIGKILL)"
    )
    words = []
    with site.child(code) as child:
        signer = SignerClient.open(child.call)
        for _ in range(6):
            with pytest.raises(CaFault) as caught:
                signer.reserve(1)
            assert caught.value.temporary
            words.append(str(caught.value))
            if child._process is not None:
                child._process.wait()
    assert "keeps ending" in "".join(words)
    assert "keeps ending" not in words[0]


KILL_ONCE = """
import os, signal
from pathlib import Path
import {module} as m
whole = m.{name}
flag = Path({flag!r})
def cut(*a, **k):
    is_first = not flag.exists()
    flag.touch()
    if is_first and {when!r} == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = whole(*a, **k)
    if is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
m.{name} = cut
"""
STEPS = [
    ("bot.signer.core", "Signer._give_serials"),
    ("bot.signer.core", "read_evidence"),
    ("bot.signer.issuing", "Issuing._judge"),
    ("bot.signer.issuing", "Issuing._intend"),
    ("bot.signer.issuing", "Issuing._sign"),
    ("bot.ca.local", "LocalCa.issue"),
    ("store.signer_ledger", "keep_signed"),
    ("bot.signer.core", "Signer.answer"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "name"), STEPS)
def test_a_kill_of_the_signer_at_any_step_leads_to_one_certificate(
    site: SignerSite, module: str, name: str, when: str
) -> None:
    flag = str(site.folder / "killed")
    code = KILL_ONCE.format(module=module, name=name, flag=flag, when=when)
    evidence, rows, answers = site.papers(tsv_line(), tsv_line("test2.example.ac.jp")), None, []
    with site.child(code) as child:
        for _ in range(6):
            try:
                signer = SignerClient.open(child.call)
                # a desk asks with the serials of its committed intent
                rows = rows or {seq: r.serial for seq, r in enumerate(signer.reserve(2), 1)}
                answers.append(signer.issue(evidence, rows))
            except CaFault as fault:
                assert fault.temporary  # noqa: PT017
                # a round later
                time.sleep(0.3)
            if len(answers) == 2:
                break
    assert Path(flag).exists()
    assert len(answers) == 2
    assert answers[0] == answers[1]
    assert sorted(signed(site)) == sorted(answers[0].values())  # type: ignore[type-var]


def lengthen_socket(site: SignerSite) -> None:
    text = site.file.read_text()
    site.file.write_text(text.replace("[signer]", f"[signer]\nsocket = '{'x' * 120}'"))


def put_a_folder_in_the_locks_place(site: SignerSite) -> None:
    ledger = site.config.signer.ledger
    ledger.with_name(ledger.name + ".lock").mkdir(parents=True)


SPOILINGS: dict[str, Callable[[SignerSite], object]] = {
    "passphrase": lambda site: (site.folder / "passphrase").write_text("wrong\n"),
    "ca.key": lambda site: (site.folder / "ca.key").unlink(),
    "suzuki.asc": lambda site: (site.folder / "register" / "suzuki.asc").unlink(),
    "107 bytes": lengthen_socket,
    "signer.ledger: .*lock: Is a directory": put_a_folder_in_the_locks_place,
}


@pytest.mark.parametrize("words", SPOILINGS)
def test_what_keeps_it_from_starting_is_told_to_the_desk(site: SignerSite, words: str) -> None:
    SPOILINGS[words](site)
    with pytest.raises(CaFault, match=words) as caught, site.child():
        pass
    assert not caught.value.temporary


def test_a_second_signer_on_one_ledger_is_refused(site: SignerSite) -> None:
    code = "import bot.signer.server as m\nm._LOCK_SECONDS = 0.1"
    with site.child():
        # at another socket, else the second desk would ask the first one's
        text = site.file.read_text(encoding="utf-8")
        site.file.write_text(text.replace("[signer]", '[signer]\nsocket = "other.sock"'), encoding="utf-8")
        with pytest.raises(CaFault, match="another signer"), site.child(code):
            pass


def test_a_second_desk_asks_the_first_ones_signer_and_starts_its_own_when_that_is_gone(
    site: SignerSite,
) -> None:
    evidence = site.papers()  # each is another application
    with site.child() as first, site.child() as second:
        assert second._process is None
        serials = {SignerClient.open(desk.call).reserve(1)[0].serial for desk in (first, second)}
        assert len(serials) == 2
        der = SignerClient.open(first.call).issue(evidence, {1: serials.pop()})[1]
        first.stop()
        assert SignerClient.open(second.call).issue(evidence, {1: serials.pop()})[1] == der
        assert second._process is not None
    assert signed(site) == [der]


def test_two_desks_that_start_together_have_one_signer(site: SignerSite) -> None:
    children: list[SignerChild] = []

    def start() -> None:
        children.append(child := SignerChild(site.file, site.config.signer.socket, 30, RINGI))
        child.start()

    threads = [threading.Thread(target=start) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({SignerClient.open(child.call).issuer for child in children}) == 1
        assert sum(child._process is not None for child in children) == 1
    finally:
        for child in children:
            child.stop()


def test_alone_it_serves_a_group_and_ends_by_sigterm(site: SignerSite) -> None:
    path = site.config.signer.socket
    process = subprocess.Popen([*RINGI, "signer", "--config", str(site.file)], stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        assert b"signer ready" in process.stderr.readline()
        assert path.stat().st_mode & 0o777 == 0o660
        signer = SignerClient.open(socket_call(path, 30))
        (serial,) = signer.reserve(1)
        assert isinstance(signer.issue(site.papers(), {1: serial.serial})[1], bytes)
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stderr.close()  # type: ignore[union-attr]
    assert not path.exists()


def test_the_examination_asks_a_signer_that_is_not_ours_to_start(site: SignerSite) -> None:
    site.file.write_text(site.file.read_text().replace("[signer]", "[signer]\nstart = false"))
    (site.folder / "ca.key").chmod(0o600)
    missing, *readable = examine_ca(Site(site.file, site.config, site.desk.now()))
    assert not missing.ok
    assert "ringi signer" in (missing.mend or "")
    # who runs this test as no root can read the key: that is told too
    assert len(readable) == (os.geteuid() != 0)
    with site.child():
        (site.folder / "ca.key").unlink()
        assert [f.ok for f in examine_ca(Site(site.file, site.config, site.desk.now()))] == [True]


def test_without_a_signer_the_desk_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(CaFault, match="ringi signer") as caught:
        SignerClient.open(socket_call(tmp_path / "none.sock", 1))
    assert caught.value.temporary
