"""The round and the revocation lists: they are fetched before mails are judged, and the monitors hear (CMS6)."""

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bot.compose.mail import Composer
from bot.config import Config
from bot.post import Post
from bot.schedule import Service
from bot.signer.client import Heard, SignerClient
from bot.verified import Verified
from bot.watch.watch import Watch
from bot.wiring import Judge, Office, open_judge, utc_now
from store.tables import Base, Outgoing
from store.transaction import open_store, reading
from tests.smime_people import DAY, ENTITY, Person, Pki, make_pki

INSTITUTION = """
name = "テスト機関"
organization = "testkikan"
state = "Tokyo"
locality = "Chiyoda-ku"
applicant_domains = ["example.ac.jp"]
[[domains]]
name = "example.ac.jp"
[[officers]]
id = "suzuki"
name = "鈴木"
addresses = ["suzuki@example.ac.jp"]
notify = "suzuki@example.ac.jp"
[[officers.smime]]
public_key = "{pin}"
file = "suzuki.pem"
[[policies]]
self_approval = true
"""


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make_pki(tmp_path)


@pytest.fixture
def suzuki(pki: Pki) -> Person:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    pki.register_dir.mkdir()
    pin = person.smime_key(pki.register_dir)
    (pki.register_dir / "testkikan.toml").write_text(INSTITUTION.format(pin=pin.public_key))
    return person


@pytest.fixture
def judge(pki: Pki, suzuki: Person) -> Iterator[Judge]:
    server = {"host": "localhost", "port": 1, "security": "none"}
    (pki.directory / "password").write_text("x\n")
    login = {"user": "ringi", "password_file": pki.directory / "password"}
    config = Config(
        instance="desk.example.ac.jp",
        address="ringi@example.ac.jp",
        register_dir=pki.register_dir,
        monitors=("monitor@example.ac.jp",),
        imap=server | login,
        smtp=server,
        smime=pki.settings(crl_sources=(str(pki.directory / "root.crl"), str(pki.directory / "ca.crl"))),
        ca={"key": pki.directory / "ca.key", "certificate": pki.directory / "ca.pem"},
        web={"public_url": "https://ringi.example.ac.jp"},
    )
    engine = open_store("sqlite:///:memory:")
    Base.metadata.create_all(engine)
    yield open_judge(config, engine)
    engine.dispose()


def renew(judge: Judge) -> None:
    """As the first round after a start does."""
    config = judge.config
    post = Post(Composer(config.desk(), "Ringi", {}), secrets.token_bytes, "example.ac.jp")
    signer = cast(SignerClient, SimpleNamespace(heard=Heard()))
    watch = Watch(judge.engine, config, judge.context, post, signer, (), utc_now)
    office = SimpleNamespace(judge=judge, config=config, engine=judge.engine, post=post, watch=watch)
    Service(cast(Office, office))._renew_crls()
    watch.settle()


def mails(judge: Judge) -> list[tuple[str, str]]:
    with reading(judge.engine) as session:
        return [(mail.recipient, mail.template) for mail in session.query(Outgoing)]


def test_CMS6_a_round_fetches_the_lists_and_the_reader_takes_them(
    judge: Judge, pki: Pki, suzuki: Person
) -> None:
    (pki.directory / "root.crl").write_bytes(pki.crl(pki.root))
    (pki.directory / "ca.crl").write_bytes(pki.crl())
    renew(judge)
    smime = judge.authority.reader.smime
    assert smime is not None
    assert isinstance(smime.verify_detached(ENTITY, suzuki.sign_detached(ENTITY), pki.now), Verified)
    assert mails(judge) == []


def test_CMS6_the_monitors_get_one_mail_however_often_it_starts_and_one_when_it_is_fresh(
    judge: Judge, pki: Pki
) -> None:
    (pki.directory / "root.crl").write_bytes(pki.crl(pki.root))
    (pki.directory / "ca.crl").write_bytes(
        pki.crl(this_update=pki.now - 7 * DAY, next_update=pki.now + timedelta(hours=5))
    )
    renew(judge)
    renew(judge)
    assert mails(judge) == [("monitor@example.ac.jp", "monitor.trouble")]
    with reading(judge.engine) as session:
        mail = session.query(Outgoing).one().data
    assert b"crl_officers" in mail
    (pki.directory / "ca.crl").write_bytes(pki.crl())
    renew(judge)
    renew(judge)
    assert [template for _, template in mails(judge)] == ["monitor.trouble", "monitor.recovered"]
