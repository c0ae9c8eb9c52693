"""`ringi run` itself, while its IMAP server goes away in every manner and people reorganize its folders."""

import contextlib
import imaplib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.demo.mailbox import subject_of
from bot.demo.service import Service
from tests.journeys.desk import BOT, RINGI, Desk, open_desk
from tests.servers.postfix import MailServers
from tests.servers.relay import Relay, relayed

pytest_plugins = ("tests.servers.fixtures",)


@pytest.fixture
def desk(mail_servers: MailServers, need: Callable[[str], str]) -> Iterator[Desk]:
    need("gpg")
    with open_desk(mail_servers) as opened:
        yield opened


@contextlib.contextmanager
def _running(desk: Desk, **imap: object) -> Iterator[tuple[Service, Relay]]:
    """The process, behind a relay without TLS, with short time-outs."""
    with relayed(desk.servers.dovecot.imap_port) as relay:
        text = desk.config_file.read_text()
        old = f"port = {desk.config.imap.port}\n"
        facts = {"port": relay.port, "security": '"none"', "timeout": 2, "poll_seconds": 1, **imap}
        lines = "".join(f"{name} = {value}\n" for name, value in facts.items())
        section, rest = text.split(old, 1)
        rest = rest.replace('security = "tls"\n', "", 1)
        desk.config_file.write_text(section + lines + rest)
        service = Service(desk.config_file, desk.directory / "service.log", RINGI)
        service.start(60)
        try:
            yield service, relay
        finally:
            service.abandon()


def _is_answered(desk: Desk, fqdn: str) -> None:
    desk.officer.mailbox.wait_for(lambda raw: fqdn in subject_of(raw), 60)


def _counts(desk: Desk, fqdns: list[str]) -> dict[str, int]:
    asked = [subject_of(raw) for raw in desk.officer.mailbox.all()]
    return {fqdn: sum(fqdn in subject for subject in asked) for fqdn in fqdns}


@pytest.mark.parametrize("vanished", [False, True])
def test_SIGTERM_in_IDLE_ends_within_five_seconds(desk: Desk, vanished: bool) -> None:
    with _running(desk, poll_seconds=600, timeout=600) as (service, relay):
        _until(lambda: b"IDLE" in relay.said["client"])
        if vanished:
            relay.interrupt(None)
            time.sleep(1)
        begin = time.monotonic()
        assert service.stop(60) == 0
        # what it waits for takes under five seconds; what it computes takes as long as the machine lets it
        crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        assert time.monotonic() - begin < 5 * crowd


def test_a_process_goes_on_through_all_that_happens_to_its_server_and_folders(desk: Desk) -> None:
    names: list[str] = []

    def apply(name: str) -> None:
        names.append(f"{name}.example.ac.jp")
        desk.apply(names[-1])
        _is_answered(desk, names[-1])

    maildir = desk.servers.dovecot.directory / "mail" / BOT
    with _running(desk) as (service, relay):
        apply("before")
        relay.interrupt(b"* BYE shutting down\r\n")
        apply("after-bye")
        relay.interrupt(None)
        apply("after-vanishing")
        shutil.rmtree(maildir / ".Done")
        apply("after-deleted-folder")
        time.sleep(1.1)
        for path in maildir.glob("dovecot*"):
            path.unlink()
        apply("after-new-uidvalidity")
        for path in maildir.glob("cur/*"):
            path.unlink()
        apply("after-emptied")
        assert relay.connections >= 3
        assert service.is_running()
    assert _counts(desk, names) == dict.fromkeys(names, 1)
    assert set(map(tuple, desk.states().values())) == {("waiting",)}
    assert len(desk.states()) == len(names)


def test_a_folder_that_a_person_renames_is_waited_for_and_a_reload_looks_at_once(desk: Desk) -> None:
    maildir = desk.servers.dovecot.directory / "mail" / BOT
    _make_folder(desk)
    with _running(desk, folder='"Desk"') as (service, relay):
        _until(lambda: b"IDLE" in relay.said["client"])
        (maildir / ".Desk").rename(maildir / ".Elsewhere")
        relay.interrupt(b"* BYE\r\n")
        log = desk.directory / "service.log"
        _until(lambda: "opening the folders failed" in log.read_text())
        (maildir / ".Elsewhere").rename(maildir / ".Desk")
        _copy_application(desk, maildir)
        service.wake()
        _is_answered(desk, "renamed.example.ac.jp")
        assert service.stop(20) == 0


def _make_folder(desk: Desk) -> None:
    with imaplib.IMAP4("127.0.0.1", desk.servers.dovecot.imap_port) as person:
        person.login(BOT, desk.servers.dovecot.users[BOT])
        person.create("Desk")


def _copy_application(desk: Desk, maildir: Path) -> None:
    desk.apply("renamed.example.ac.jp")
    _until(lambda: any((maildir / "new").iterdir()))
    for path in (maildir / "new").iterdir():
        path.rename(maildir / ".Desk" / "new" / path.name)


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
