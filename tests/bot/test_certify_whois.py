"""From approved rows to certificates with a real CA and a real WHOIS server between them."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from bot.ca.local import LocalCa
from bot.ca.making import make_ca
from bot.certify import Certifier
from bot.compose.mail import Composer
from bot.config import Ca as CaSettings
from bot.holder import this_process
from bot.post import Post
from bot.shares import Shares
from bot.whois import WhoisClient
from bot.whois_facts import Inquirer
from handlers.incoming import IncomingMail, MailKey
from handlers.rules.register import Domain
from handlers.rules.registrant import UNREACHABLE, WhoisFact
from store.signer_ledger import open_ledger
from store.tables import Certificate, Outgoing
from store.transaction import reading
from tests.applications import NOW, TESTKIKAN, DeskWorld, open_world, signed, tsv_line
from tests.composed import text_of
from tests.revocations import RevocationDesk
from tests.whois_server import NO_MATCH, WhoisServer, jprs, reset, say, whois_server

AC = Domain(name="example.ac.jp", registrant="Testkikan", vetted_until="2030-03-31")
JP = Domain(name="example.jp", vetted_until="2030-03-31")  # nothing to compare with


@dataclass
class Signatures:
    """Stands where gpg is: the mails whose signatures are good, by their bytes."""

    good: dict[bytes, IncomingMail] = field(default_factory=dict)

    def read(
        self, raw: bytes, key: MailKey, received_at: datetime, judged_at: datetime | None = None
    ) -> IncomingMail:
        return self.good[raw]


@dataclass
class Room:
    """A desk, its CA, and a WHOIS server; one `certify` is one round's."""

    world: DeskWorld
    server: WhoisServer
    certifier: Certifier
    inquirer: Inquirer
    signatures: Signatures

    def approve(self, *names: str) -> str:
        number = self.world.take(*(tsv_line(name) for name in names))
        mail = signed(f"承認\n\n> コード: {self.world.code(number)}\n")
        self.signatures.good[mail.raw] = mail
        self.world.receive(mail)
        assert set(self.world.states(number)) == {"approved"}
        return number

    def certify(self) -> int:
        return self.certifier.certify_all(lambda: True)

    def pass_time(self, **time: int) -> None:
        self.world.now += timedelta(**time)

    def mails(self, template: str) -> list[str]:
        with reading(self.world.engine) as session:
            found = session.scalars(select(Outgoing).where(Outgoing.template == template)).all()
            return [text_of(mail.data) for mail in found]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    world = open_world(tmp_path, TESTKIKAN.model_copy(update={"domains": (AC, JP)}))
    world.desk = replace(world.desk, whois="require")
    with whois_server() as server:
        client = WhoisClient("127.0.0.1", server.port, 20, sleep=lambda seconds: None)
        inquirer = Inquirer(world.engine, client, timedelta(hours=1), lambda: world.now)
        signatures = Signatures()
        desk = RevocationDesk(world, an_ec_ca(tmp_path), open_ledger(tmp_path / "signer.db"))
        desk._mails = signatures.good
        certifier = Certifier(
            world.engine,
            desk.client(),
            Post(Composer(world.desk, "Ringi", {}), secrets.token_bytes, "example.ac.jp"),
            lambda: signatures,  # type: ignore[arg-type,return-value]
            world.context,
            inquirer,
            Shares(world.engine, this_process(), lambda: world.now),
        )
        yield Room(world, server, certifier, inquirer, signatures)
        desk.ledger.dispose()
    world.engine.dispose()


def an_ec_ca(folder: Path) -> LocalCa:
    key, certificate = make_ca("Example Root", key="p256", days=3650, passphrase=None, now=NOW)
    (folder / "ca.key").write_bytes(key)
    (folder / "ca.key").chmod(0o600)
    (folder / "ca.pem").write_bytes(certificate)
    return LocalCa.open(CaSettings(key=folder / "ca.key", certificate=folder / "ca.pem"), None, now=NOW)


def test_the_vetted_registrant_gets_its_certificates_after_one_question(room: Room) -> None:
    first = room.approve("test1.example.ac.jp", "test2.example.ac.jp")
    second = room.approve("test3.example.ac.jp")
    assert room.certify() == 3
    assert room.world.states(first) + room.world.states(second) == ["issued"] * 3
    assert room.server.questions == ["DOM example.ac.jp\r\n"]
    with reading(room.world.engine) as session:
        ders = session.scalars(select(Certificate.der)).all()
    names = {x509.load_der_x509_certificate(der).subject.rfc4514_string() for der in ders if der}
    assert len(names) == 3


def test_a_changed_registrant_gets_none_and_the_officers_read_the_manuals_words(room: Room) -> None:
    room.server.behaviour = say(jprs("example.ac.jp", "学校法人試験学園", "Testkikan Gakuen"))
    number = room.approve("test1.example.ac.jp")
    assert room.certify() == 0
    assert room.world.states(number) == ["failed"]
    mails = room.mails("officer.not_issued")
    assert len(mails) == 2
    assert "923" in mails[0]
    assert "WHOISサーバに登録されている情報と一致しません。" in mails[0].replace("\n", "").replace(" ", "")


def test_a_domain_that_nobody_holds_gets_none(room: Room) -> None:
    room.server.behaviour = say(NO_MATCH.encode())
    number = room.approve("test1.example.ac.jp")
    assert room.certify() == 0
    assert room.world.states(number) == ["failed"]


def test_a_dead_server_holds_up_only_what_needs_it_and_for_no_longer_than_it_is_dead(room: Room) -> None:
    room.server.behaviour = reset
    waiting, free = room.approve("test1.example.ac.jp"), room.approve("test1.example.jp")
    assert room.certify() == 1
    assert (room.world.states(waiting), room.world.states(free)) == (["approved"], ["issued"])
    room.server.behaviour = say(jprs("example.ac.jp"))
    room.pass_time(minutes=6)
    assert room.certify() == 1
    assert room.world.states(waiting) == ["issued"]


def test_a_dead_server_is_given_up_after_three_hours(room: Room) -> None:
    room.server.behaviour = reset
    number = room.approve("test1.example.ac.jp")
    for _ in range(3):
        room.certify()
        assert room.world.states(number) == ["approved"]
        room.pass_time(hours=1)
    room.certify()
    assert room.world.states(number) == ["failed"]
    assert "WHOISサーバへの接続に失敗しました。" in room.mails("officer.not_issued")[0].replace("\n", "")


def test_rows_that_wait_do_not_keep_the_next_ones_from_their_turn(room: Room) -> None:
    """More than one batch of waiting applications stands before the one that can be issued."""
    room.server.behaviour = reset
    for count in range(21):
        room.approve(f"test{count}.example.ac.jp")
    free = room.approve("test1.example.jp")
    assert room.certify() == 1
    assert room.world.states(free) == ["issued"]


def test_a_desk_that_only_warns_issues_and_tells_its_monitors(room: Room) -> None:
    room.world.desk = replace(room.world.desk, whois="warn")
    room.server.behaviour = say(jprs("example.ac.jp", "別の機関", "Other"))
    number = room.approve("test1.example.ac.jp")
    assert room.certify() == 1
    (alarm,) = room.mails("monitor.alarm")
    assert f"{number}, SEQ [1]" in alarm
    room.certify()
    assert len(room.mails("monitor.alarm")) == 1


def test_a_desk_without_the_check_asks_nobody(room: Room) -> None:
    room.world.desk = replace(room.world.desk, whois="off")
    room.approve("test1.example.ac.jp")
    assert room.certify() == 1
    assert room.server.questions == []


def ask(room: Room, *domains: Domain) -> list[WhoisFact]:
    facts = room.inquirer.ask(domains or (AC,), lambda: True)
    return [facts[domain.name] for domain in domains or (AC,)]


def test_an_answer_that_agrees_holds_for_its_time_and_outlives_a_restart(room: Room) -> None:
    for minutes, questions in ((0, 1), (59, 1), (2, 2)):
        room.pass_time(minutes=minutes)
        fresh = replace_inquirer(room)
        assert fresh.ask((AC,), lambda: True) == {"example.ac.jp": WhoisFact(("テスト機関", "Testkikan"))}
        assert len(room.server.questions) == questions


def replace_inquirer(room: Room) -> Inquirer:
    client = WhoisClient("127.0.0.1", room.server.port, 20, sleep=lambda seconds: None)
    return Inquirer(room.world.engine, client, timedelta(hours=1), lambda: room.world.now)


def test_an_answer_that_differs_is_asked_for_again_at_once(room: Room) -> None:
    room.server.behaviour = say(jprs("example.ac.jp", "別の機関", "Other"))
    assert ask(room) == [WhoisFact(("別の機関", "Other"))]
    room.server.behaviour = say(jprs("example.ac.jp"))
    assert ask(room) == [WhoisFact(("テスト機関", "Testkikan"))]


LAB = Domain(name="lab.example.ac.jp", registrant="Lab")


def test_after_a_fault_the_server_is_left_alone_for_five_minutes(room: Room) -> None:
    room.server.behaviour = reset
    assert ask(room, AC, LAB) == [UNREACHABLE, UNREACHABLE]
    assert len(room.server.questions) == 3  # the tries for the first domain
    room.server.behaviour = say(jprs("example.ac.jp"))
    room.pass_time(minutes=4)
    assert ask(room) == [UNREACHABLE]
    room.pass_time(minutes=1)
    assert ask(room) == [WhoisFact(("テスト機関", "Testkikan"))]


def test_a_strange_answer_for_one_domain_leaves_the_others_alone(room: Room) -> None:
    unlike = Domain(name="a.example.ac.jp", registrant="A")
    assert ask(room, unlike, AC) == [UNREACHABLE, WhoisFact(("テスト機関", "Testkikan"))]
    ask(room, unlike)
    assert len(room.server.questions) == 2


def test_nothing_is_asked_once_the_round_must_end(room: Room) -> None:
    assert room.inquirer.ask((AC,), lambda: False) == {}
    assert room.server.questions == []
