"""IMAP servers, and people, that do to the folder what they like while a round is at work on it."""

import imaplib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.bench.servers.dovecot import start_dovecot
from bot.bench.servers.tls import make_tls
from bot.imap.folder import Folder, ImapFault
from bot.schedule import Service
from tests.faults.wire_world import Scene, WireWorld, open_world
from tests.journeys.desk import BOT
from tests.servers.people import USERS
from tests.servers.postfix import MailServers
from tests.servers.relay import Cut, Meddling

pytest_plugins = ("tests.servers.fixtures",)
_COMMANDS = ("CAPABILITY", "LOGIN", "LIST", "SELECT", "SEARCH", "RFC822.SIZE", "BODY.PEEK", "MOVE", "LOGOUT")


@pytest.fixture
def world(mail_servers: MailServers, need: Callable[[str], str]) -> Iterator[WireWorld]:
    need("gpg")
    with open_world(mail_servers) as opened:
        yield opened


def _application(world: WireWorld) -> Scene:
    assert world.service.once().fault is None
    return world.scene("application to answers", world.application("test1.example.ac.jp"))


def test_BYE_instead_of_any_answer_loses_and_doubles_nothing(world: WireWorld) -> None:
    scene = _application(world)
    for command in _COMMANDS:
        meddling = Meddling(command.encode(), lambda: b"* BYE shutting down\r\n")
        verdict = world.trial(scene, "imap", meddling=meddling)
        assert verdict.was_cut, command
        assert not verdict.faults, command


def test_a_server_that_vanishes_at_any_command_costs_one_time_out_and_loses_nothing(world: WireWorld) -> None:
    scene = _application(world)
    said = scene.said["imap"]["client"]
    for command in ("LOGIN", "SEARCH", "BODY.PEEK", "MOVE"):
        # the server has the whole command, and nobody hears its answer
        cut = Cut("client", said.index(b"\r\n", said.index(command.encode())) + 2, "vanish")
        begin = time.monotonic()
        verdict = world.trial(scene, "imap", cut)
        assert time.monotonic() - begin < 30, command
        assert verdict.was_cut, command
        assert not verdict.faults, command


def test_a_mail_that_a_person_takes_out_of_the_folder_is_left_to_them(world: WireWorld) -> None:
    """Between SEARCH and FETCH it was never ours; between commit and MOVE it was answered, and is not missed."""
    scene = _application(world)

    def expunge() -> None:
        with imaplib.IMAP4("127.0.0.1", world.desk.servers.dovecot.imap_port) as person:
            person.login(BOT, USERS[BOT])
            person.select("INBOX")
            person.store("1:*", "+FLAGS", "\\Deleted")
            person.expunge()

    for command, answered in (("RFC822.SIZE", 0), ("BODY.PEEK", 0), ("MOVE", 3)):
        verdict = world.trial(scene, "imap", meddling=Meddling(command.encode(), expunge))
        assert verdict.was_cut, command
        assert not verdict.died, command
        assert not verdict.doubled, command
        assert (verdict.rounds, len(world.arrivals.mails())) == (1, answered), command


def test_a_new_UIDVALIDITY_repeats_nothing(world: WireWorld) -> None:
    """The hardest case: a mail is answered and not moved, and comes again under another UID."""
    scene = _application(world)
    verdict = world.trial(
        scene, "imap", meddling=Meddling(b"MOVE", lambda: b"* BYE shutting down\r\n"), rounds=1
    )
    assert verdict.is_stuck
    before = len(world.arrivals.mails())
    _forget_uids(world)
    report = world.service.once()
    assert (report.fault, report.mails) == (None, 1)
    end = world.end()
    assert (end.inbox, end.filed, end.rows) == (0, 1, ("waiting",))
    assert before == len(world.arrivals.mails()) == 3


def _forget_uids(world: WireWorld) -> None:
    folder_files = world.desk.servers.dovecot.directory / "mail" / BOT
    old = _uidvalidity(world)
    # a session that is just ending may write its lists once more
    for _ in range(10):
        # a new UIDVALIDITY is the second in which it is made
        time.sleep(1.1)
        for path in folder_files.glob("dovecot*"):
            path.unlink()
        if _uidvalidity(world) != old:
            return
    pytest.fail("the UIDVALIDITY stays")


def _uidvalidity(world: WireWorld) -> int:
    with Folder(world.desk.servers.dovecot.imap(BOT)) as folder:
        return folder.uidvalidity


def test_a_wrong_password_for_an_hour_costs_few_logins_and_then_all_is_done(
    world: WireWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hour is compressed: what the service would wait is added up, and every login is a real one."""
    password = world.desk.servers.dovecot.password_file(BOT)
    right = password.read_text()
    log = world.desk.servers.dovecot.directory / "dovecot.log"
    waited: list[float] = []

    def bridge(service: Service, seconds: float) -> None:
        waited.append(seconds)
        service._round(None)
        world.clock += timedelta(seconds=seconds)
        if sum(waited) > 3600:
            password.write_text(right)

    def wait(folder: Folder, seconds: float, stop: Callable[[], bool]) -> bool:
        world.service.stop()
        return False

    assert world.service.once().fault is None
    world.put(world.application("test1.example.ac.jp"))
    monkeypatch.setattr(Service, "_bridge", bridge)
    monkeypatch.setattr(Folder, "wait", wait)
    password.write_text("wrong\n")
    refused = log.read_text().count("auth failed")
    world.wires["imap"].arm()
    try:
        world.service._keep_going()
    finally:
        password.write_text(right)
    logins = world.wires["imap"].connections
    assert log.read_text().count("auth failed") - refused == logins - 1 == len(waited)
    assert 6 <= len(waited) <= 10
    assert world.end().rows == ("waiting",)
    # the receipt, a request to each officer, and to the monitors that IMAP was down and is up again
    assert len(world.arrivals.mails()) == 5


@pytest.mark.parametrize(
    ("day", "advice"), [(-2, r"has expired\); .*must renew it"), (2, r"not yet valid\); .*clock")]
)
def test_a_certificate_out_of_its_time_is_told_as_such_and_a_new_one_is_taken(
    need: Callable[[str], str], server_directory: Path, tmp_path: Path, day: int, advice: str
) -> None:
    tls = make_tls(tmp_path, around=timedelta(days=day))
    server = start_dovecot(server_directory / f"t{day + 5}", USERS, tls, program=need("dovecot"))
    try:
        settings = server.imap(BOT)
        with pytest.raises(ImapFault, match=advice) as caught, Folder(settings):
            pass
        assert not caught.value.temporary
    finally:
        server.stop()
    renewed = start_dovecot(
        server_directory / f"u{day + 5}", USERS, make_tls(tmp_path), program=need("dovecot")
    )
    try:
        with Folder(renewed.imap(BOT)) as folder:
            assert folder.uids() == []
    finally:
        renewed.stop()
