"""What the monitors hear on real servers: once when something is wrong, once when it is over, whoever starts again."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bot.bench.servers.running import free_ports
from bot.demo.mailbox import subject_of, text_of
from bot.demo.service import Service
from tests.journeys.desk import RINGI, Desk
from tests.journeys.test_faults import application, deliver
from tests.journeys.test_journal import BROKEN, count, run_sql
from tests.servers.disk import small_disk

pytest_plugins = ("tests.servers.fixtures",)

# each round by a desk that was opened anew, as after a restart, so many minutes from now
ROUNDS = """
import dataclasses, datetime, json, pathlib
import bot.wiring as wiring
from bot.config import load_config
from bot.logs import set_up_logging
from bot.schedule import Service
now, path = wiring.utc_now, pathlib.Path({file!r})
config = load_config(path)
set_up_logging(config.log)
for minutes in {minutes!r}:
    wiring.utc_now = lambda: now() + datetime.timedelta(minutes=minutes)
    office = wiring.open_office(config, path)
    print(json.dumps(dataclasses.asdict(Service(office).once())))
    office.engine.dispose()
"""


@dataclass(frozen=True)
class Said:
    is_whole: bool
    troubles: tuple[str, ...]


def rounds(desk: Desk, *minutes: int) -> list[Said]:
    code = ROUNDS.format(file=str(desk.config_file), minutes=minutes)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(minutes)
    return [Said(one["fault"] is None, tuple(one["troubles"])) for one in said]


WELL = Said(True, ())


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture
def desk(desk: Desk) -> Iterator[Desk]:
    """Its signer runs by itself: nobody waits for one in each round."""
    config = desk.config_file.read_text()
    desk.config_file.write_text(f"{config}\n[signer]\nstart = false\n")
    signer = start_signer(desk)
    yield desk
    stop(signer)


def told(desk: Desk) -> Counter[str]:
    """What lies in the monitor's mailbox, by what the subjects begin with and the alarm's code."""
    found = Counter[str]()
    for raw in desk.monitor.all():
        word = "mended" if "解消しました" in subject_of(raw) else "wrong"
        code = text_of(raw).partition("警報コード: ")[2].partition("\n")[0]
        # the digest has none
        if code:
            found[f"{word} {code}"] += 1
    return found


def hears(desk: Desk, **expected: int) -> None:
    """Exactly these mails come: `wrong_imap=1`."""
    wanted = Counter({name.replace("_", " ", 1): n for name, n in expected.items()})
    wait_until(lambda: told(desk).total() >= wanted.total())
    time.sleep(0.3)
    assert told(desk) == wanted


def alarms(desk: Desk) -> list[tuple[bool, str]]:
    done = desk.ringi("check", "--json")
    found = [f for f in json.loads(done.stdout) if f["part"] == "alarms"]
    return [(f["ok"], f["what"]) for f in found]


@contextmanager
def dead(desk: Desk, port: int) -> Iterator[None]:
    """Nobody listens where this port was."""
    config = desk.config_file.read_text()
    (other,) = free_ports(1)
    desk.config_file.write_text(config.replace(f"port = {port}", f"port = {other}"))
    yield
    desk.config_file.write_text(config)


def test_imap_that_is_away_is_told_once_over_restarts_and_its_return_once(desk: Desk) -> None:
    assert rounds(desk, 0) == [WELL]
    with dead(desk, desk.config.imap.port):
        assert rounds(desk, 0, 10) == [Said(False, ())] * 2
        assert told(desk).total() == 0
        assert rounds(desk, 17, 25, 300) == [Said(False, ("imap",))] * 3
        hears(desk, wrong_imap=1)
        ((is_ok, what),) = alarms(desk)
        assert (is_ok, "no mail can be received since" in what) == (False, True)
    assert rounds(desk, 301, 302) == [WELL] * 2
    hears(desk, wrong_imap=1, mended_imap=1)
    assert alarms(desk) == [(True, "nothing that the monitors were told of is still wrong")]
    (mail,) = [text_of(raw) for raw in desk.monitor.all() if "要対応" in subject_of(raw)]
    for words in (
        "この間に届いたメールは処理されません。",
        "いつから: ",
        "していただくこと",
        "Since: ",
        "What to do",
    ):
        assert words in mail


def test_smtp_that_is_away_is_known_by_status_and_told_when_it_is_back(desk: Desk) -> None:
    deliver(desk, application(desk, "test1.example.ac.jp"))
    with dead(desk, desk.config.smtp.port):
        # in one of them no mail is due to be sent, and yet the desk is not well
        said = rounds(desk, 0, 16, 16, 100)
        assert [one.troubles for one in said] == [(), ("smtp",), ("smtp",), ("smtp",)]
        assert [ok for ok, _ in alarms(desk)] == [False]
    assert told(desk).total() == 0
    assert rounds(desk, 200, 300) == [WELL] * 2
    hears(desk, wrong_smtp=1, mended_smtp=1)


def test_a_journal_that_takes_nothing_is_told_past_the_outbox_once(desk: Desk) -> None:
    mark = desk.config.alarms.mark
    rounds(desk, 0)
    run_sql(desk, BROKEN["refused"][0])
    assert rounds(desk, 0) == [Said(False, ())]
    assert (mark.exists(), told(desk).total()) == (True, 0)
    assert rounds(desk, 2, 3, 200) == [Said(False, ())] * 3
    hears(desk, wrong_store=1)
    assert count(desk, "outbox") == 0
    assert [ok for ok, what in alarms(desk) if "the store could not be written since" in what] == [False]
    run_sql(desk, BROKEN["refused"][1])
    assert rounds(desk, 201, 202) == [WELL] * 2
    hears(desk, wrong_store=1, mended_store=1)
    assert list(mark.parent.glob("store.alarm*")) == []
    assert desk.ringi("journal", "verify").returncode == 0


def test_a_disk_that_fills_up_is_told_once_and_so_is_the_room_on_it(desk: Desk) -> None:
    rounds(desk, 0)
    with small_disk(12) as disk:
        state = desk.config_file.parent / "state"
        shutil.move(state / "ringi.db", disk / "ringi.db")
        config = desk.config_file.read_text()
        lines = f'\n[store]\nurl = "sqlite:///{disk}/ringi.db"\n[alarms]\ndisk_free_mb = 4\nmark = "{disk}/mark"\n'
        desk.config_file.write_text(config + lines)
        assert rounds(desk, 0) == [WELL]
        filler = disk / "filler"
        filler.write_bytes(b"x" * (free(disk) - 3_000_000))
        done = desk.ringi("once")
        assert (done.returncode, "something is wrong: disk" in done.stderr) == (3, True)
        hears(desk, wrong_disk=1)
        assert rounds(desk, 2, 300) == [Said(True, ("disk",))] * 2
        hears(desk, wrong_disk=1)
        filler.unlink()
        assert rounds(desk, 301, 302) == [WELL] * 2
        hears(desk, wrong_disk=1, mended_disk=1)


def free(disk: Path) -> int:
    return shutil.disk_usage(disk).free


def test_a_key_of_the_bot_that_ends_soon_is_told_and_its_renewal_too(desk: Desk) -> None:
    openpgp = desk.config.openpgp
    assert openpgp is not None

    def extend(until: str) -> None:
        command = ["gpg", "--batch", "--homedir", str(openpgp.home), "--quick-set-expire"]
        subprocess.run([*command, openpgp.fingerprint, until], check=True, capture_output=True)

    day = 24 * 60
    extend("10d")
    assert rounds(desk, 0, 1, day) == [WELL] * 3
    hears(desk, wrong_own_key=1)
    rounds(desk, 4 * day, 5 * day)
    hears(desk, wrong_own_key=2)
    ((is_ok, what),) = alarms(desk)
    assert (is_ok, openpgp.fingerprint in what) == (True, True)
    extend("2y")
    rounds(desk, 5 * day, 6 * day)
    wait_until(lambda: told(desk)["mended own_key"] == 1)
    assert told(desk)["wrong own_key"] == 2


# before ringi starts, in its own process: rounds follow one another quickly
QUICK = "import bot.schedule\nbot.schedule._OUTBOX_SECONDS = 1\nfrom bot.cli import main\nmain()"


def test_a_signer_that_ends_is_told_at_the_health_page_and_so_is_its_return(desk: Desk) -> None:
    config = desk.config_file.read_text()
    lines = '\n[signer]\nstart = false\nsocket = "state/other.sock"\nledger = "state/other.db"\n'
    desk.config_file.write_text(
        config.replace("\n[signer]\nstart = false\n", lines + "[alarms]\ndown_minutes = 0\n")
    )
    service = Service(desk.config_file, desk.directory / "service.log", (sys.executable, "-c", QUICK))
    health = f"http://127.0.0.1:{desk.config.web.port}/health"
    signer = start_signer(desk)
    try:
        service.start(120)
        assert httpx.get(health, trust_env=False).text == "ok\n"
        stop(signer)
        wait_until(lambda: httpx.get(health, trust_env=False).text == "signer\n")
        assert httpx.get(health, trust_env=False).status_code == 503
        hears(desk, wrong_signer=1)
        signer = start_signer(desk)
        wait_until(lambda: httpx.get(health, trust_env=False).text == "ok\n")
        hears(desk, wrong_signer=1, mended_signer=1)
        assert service.stop(60) == 0
    finally:
        service.abandon()
        stop(signer)


def start_signer(desk: Desk) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([*RINGI, "signer", "--config", str(desk.config_file)], stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"signer ready" in process.stderr.readline()
    return process


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(20)
    if process.stderr:
        process.stderr.close()
