"""The watch: what it looks at is real (a disk, keys, lists, a signer), what it tells stands in the outbox."""

import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from bot.ca.protocol import CaFault
from bot.compose.mail import Composer
from bot.openpgp.call import GpgFault
from bot.post import Post
from bot.signer.client import ForeignLedger, Heard
from bot.smime.fetch import EndingList
from bot.watch.looks import OwnKey, look_at_own_keys
from bot.watch.watch import Watch
from handlers.context import Context
from handlers.rules.key_ends import OfficerKey
from handlers.rules.scheme import Scheme
from handlers.trouble import Look
from store import crls, troubles
from store.tables import Outgoing
from store.transaction import reading, writing
from store.troubles import TroubleKind
from tests.applications import NOW, SUZUKI, TANAKA, DeskWorld, open_world
from tests.revocations import open_ca
from tests.servers.disk import small_disk

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MONITOR = "monitor@example.ac.jp"


@dataclass
class Room:
    """A desk whose watch is made anew for each round, as after a restart."""

    world: DeskWorld
    ledger: Path
    keys: tuple[OwnKey, ...] = ()
    officer_keys: tuple[OfficerKey, ...] = (
        OfficerKey("testkikan", "suzuki", Scheme.OPENPGP, SUZUKI, None, None),
        OfficerKey("testkikan", "tanaka", Scheme.OPENPGP, TANAKA, None, None),
    )
    heard: Heard = field(default_factory=Heard)

    def watch(self) -> Watch:
        desk = self.world.desk
        config = SimpleNamespace(
            alarms=SimpleNamespace(mark=self.ledger.parent / "mark", disk_free_mb=2, down_minutes=15),
            store=SimpleNamespace(url="sqlite:///:memory:"),
            signer=SimpleNamespace(ledger=self.ledger),
            imap=SimpleNamespace(host="imap.example.ac.jp"),
            smtp=SimpleNamespace(host="smtp.example.ac.jp"),
            monitors=(MONITOR,),
        )
        post = Post(Composer(desk, "Ringi", {}), secrets.token_bytes, "example.ac.jp")
        signer = SimpleNamespace(heard=self.heard)
        return Watch(
            self.world.engine,
            config,  # type: ignore[arg-type]
            self.context,
            post,
            signer,  # type: ignore[arg-type]
            self.keys,
            lambda: self.world.now,
        )

    def context(self, session: Any) -> Context:
        return replace(self.world.context(session), officer_keys=self.officer_keys)

    def round(self, after: timedelta = MINUTE, **met: Any) -> list[tuple[str, str]]:
        """What the monitors get in it: the template, and the code that its subject's words stand for."""
        self.world.now += after
        watch = self.watch()
        for name, value in met.items():
            getattr(watch, name)(value)
        before = len(self.mails())
        said = watch.settle()
        assert not watch.settle(), "what was just settled is settled"
        new = self.mails()[before:]
        assert said == bool(new)
        return [mail.template.partition(".")[2] for mail in new]

    def mails(self) -> list[Outgoing]:
        with reading(self.world.engine) as session:
            return list(session.query(Outgoing).order_by(Outgoing.id))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    world = open_world(tmp_path)
    world.now = NOW
    yield Room(world, tmp_path / "signer" / "signer.db")
    world.engine.dispose()


def test_a_disk_that_fills_up_is_told_once_and_so_is_the_room_on_it(room: Room) -> None:
    with small_disk(4) as folder:
        room.ledger = folder / "signer.db"
        assert room.round() == []
        filler = folder / "filler"
        filler.write_bytes(b"x" * 2_500_000)
        assert [room.round(), room.round(), room.round()] == [["trouble"], [], []]
        with reading(room.world.engine) as session:
            (row,) = troubles.told(session)
        assert (row.about, row.detail) == (str(folder), "1 MB / 4 MB (< 2 MB)")
        # at the limit itself nothing is over yet
        filler.write_bytes(b"x" * (2 * 1024 * 1024 - 4096))
        assert room.round() == []
        filler.unlink()
        assert [room.round(), room.round()] == [["recovered"], []]


def test_the_servers_are_told_when_they_are_away_for_long(room: Room) -> None:
    for name in ("imap", "smtp"):
        assert room.round(**{name: "connecting failed"}) == []
        assert room.round(15 * MINUTE, **{name: "connecting failed"}) == ["trouble"]
        assert room.round(15 * MINUTE, **{name: "login failed"}) == []
        assert room.round(**{name: None}) == ["recovered"]


def test_the_signer_is_told_when_it_fails_for_long_and_at_once_where_it_does_not_pass(room: Room) -> None:
    room.heard.fault = CaFault("no answer", temporary=True)
    assert room.round() == []
    assert room.round(20 * MINUTE) == ["trouble"]
    room.heard.answers = 3
    assert room.round() == ["recovered"]
    room.heard.fault = CaFault("its ledger is an old copy", temporary=False)
    assert room.round() == ["trouble"]


def test_another_ledger_is_told_at_once_and_only_this_machine_ends_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "second")
    room.heard.fault = ForeignLedger("1" * 32, "2" * 32)
    assert room.round() == ["trouble"]
    with reading(room.world.engine) as session:
        (row,) = troubles.told(session)
    assert (row.kind, row.about, "2" * 32 in row.detail) == ("ledger", "second", True)
    # the first machine's signer is well, and says nothing of the second's
    monkeypatch.setattr(socket, "gethostname", lambda: "first")
    room.heard.answers = 3
    assert room.round() == []
    monkeypatch.setattr(socket, "gethostname", lambda: "second")
    room.heard.fault = ForeignLedger("1" * 32, "2" * 32)
    assert room.round() == []
    room.heard.answers = 1
    assert [room.round(), room.round()] == [["recovered"], []]


def test_our_own_list_is_told_in_its_last_quarter_and_a_new_one_ends_that(room: Room) -> None:
    week = 7 * DAY

    def publish(number: int) -> None:
        with writing(room.world.engine) as session:
            crls.add(session, number, room.world.now, room.world.now + week, b"")

    assert room.round() == []
    publish(1)
    assert [room.round(DAY) for _ in range(8)] == [[]] * 5 + [["trouble"], [], []]
    publish(2)
    assert [room.round(), room.round(DAY)] == [["recovered"], []]


def test_a_clock_that_jumps_within_a_round_makes_no_alarm_of_a_list(room: Room) -> None:
    with writing(room.world.engine) as session:
        crls.add(session, 1, room.world.now, room.world.now + 7 * DAY, b"")
    watch = room.watch()
    watch.beat()
    room.world.now += 14 * DAY
    assert not watch.settle()
    watch.beat()  # a round in which no new list came
    assert watch.settle()


def test_a_source_without_a_list_is_told_and_the_other_is_not(room: Room) -> None:
    bad = EndingList("http://a.example.jp/ca.crl", "no list")
    assert room.round(officers_lists=[bad]) == ["trouble"]
    assert room.round(officers_lists=[bad]) == []
    assert room.round(officers_lists=[bad, EndingList("/b.crl", "no list")]) == ["trouble"]
    assert room.round(officers_lists=[]) == ["recovered", "recovered"]


def test_an_institution_that_nobody_can_approve_for_is_told_once(room: Room) -> None:
    good, room.officer_keys = room.officer_keys, ()
    assert [room.round(), room.round(DAY), room.round(DAY)] == [["trouble"], [], []]
    room.officer_keys = good
    assert [room.round(), room.round(DAY)] == [["recovered"], []]


def test_keys_of_ours_are_told_30_14_and_7_days_before_their_end_and_at_it(room: Room) -> None:
    ends: list[datetime | None] = [NOW + 60 * DAY]
    room.keys = (OwnKey("OpenPGP key of the bot, 0123", lambda: ends[0]), OwnKey("other", lambda: None))
    told = {60 - day: found for day in range(1, 64) if (found := room.round(DAY))}
    # the clock of the rounds is one day and one second look ahead
    assert told == {30: ["trouble"], 14: ["trouble"], 7: ["trouble"], 0: ["trouble"]}
    ends[0] = room.world.now + 365 * DAY
    assert [room.round(DAY), room.round(DAY)] == [["recovered"], []]


def test_a_gpg_that_cannot_be_used_is_told_and_that_it_can_again(room: Room) -> None:
    fault: GpgFault | None = GpgFault("openpgp.home: not ours to read", temporary=False)

    def ends() -> None:
        if fault:
            raise fault

    room.keys = (OwnKey("OpenPGP key of the bot", ends),)
    assert room.round() == ["trouble"]
    assert room.round() == []
    fault = None
    assert room.round() == ["recovered"]
    fault = GpgFault("no time left", temporary=True)
    assert room.round() == []
    assert room.round(20 * MINUTE) == ["trouble"]


def test_a_certificate_ends_when_it_says(room: Room, tmp_path: Path) -> None:
    (der,) = open_ca(tmp_path).chain()[:1]
    certificate = x509.load_der_x509_certificate(der)
    key = OwnKey("the CA", lambda: certificate.not_valid_after_utc)
    end = certificate.not_valid_after_utc
    looks = [look_at_own_keys((key,), end - timedelta(days=days)) for days in (31, 29, 13, 6, 0)]
    assert [[seen.stage for seen in look.seen] for look in looks] == [[], [1], [2], [3], [4]]
    assert all(look.kind is TroubleKind.OWN_KEY for look in looks)
    assert isinstance(looks[0], Look)


def test_a_silent_round_is_a_fault_of_this_process(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = room.watch()
    assert watch.faults() == ()
    later = time.monotonic() + 1000
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert watch.faults() == ("rounds",)
    watch.beat()
    assert watch.faults() == ()
