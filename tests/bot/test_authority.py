"""The register in force: a change that leaves nobody to approve is refused, time that does it is not."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bot.authority import Authority, last_in_force
from bot.config import Config
from bot.register import RegisterFault
from store.tables import Base
from store.transaction import open_store, reading
from tests.keys import add_subkey, export_key, gpg_home, make_key, revoke_key

NOW = datetime.now(UTC).replace(microsecond=0)
OTHER = "other"


@pytest.fixture(scope="module")
def home(need: Callable[[str], str]) -> Iterator[Path]:
    need("gpg")
    with gpg_home() as made:
        yield made


@pytest.fixture(scope="module")
def good(home: Path) -> str:
    return make_key(home, "good", "good@example.ac.jp")


@pytest.fixture(scope="module")
def ending(home: Path) -> str:
    """Signs for ten days more."""
    return make_key(home, "ending", "ending@example.ac.jp", expires="10d")


@pytest.fixture(scope="module")
def expired(home: Path) -> str:
    return make_key(home, "expired", "expired@example.ac.jp", expires="30d", at="20200101T000000")


class Site:
    """A register in a folder, a configuration that names it, and a clock."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.folder = directory / "register"
        self.folder.mkdir()
        self.home = home
        self.now = NOW
        server = {"host": "127.0.0.1", "port": 9, "security": "none"}
        (directory / "password").write_text("x")
        self.config = Config.model_validate(
            {
                "instance": "ringi.example.ac.jp",
                "address": "ringi@example.ac.jp",
                "register_dir": self.folder,
                "imap": {**server, "user": "ringi", "password_file": directory / "password"},
                "smtp": server,
                "openpgp": {"fingerprint": "0" * 40, "officers_home": directory / "rings"},
                "ca": {"key": directory / "none", "certificate": directory / "none"},
                "web": {"public_url": "https://ringi.example.ac.jp"},
            }
        )
        self.engine = open_store(f"sqlite:///{directory / 'ringi.db'}")
        Base.metadata.create_all(self.engine)

    def write(self, name: str, *keys: str, **days: date) -> None:
        """An institution with one officer who has these keys."""
        text = f"""
name = "{name}"
organization = "{name}"
state = "Tokyo"
locality = "Chiyoda-ku"
applicant_domains = ["{name}.example.ac.jp"]
[[domains]]
name = "{name}.example.ac.jp"
[[officers]]
id = "suzuki"
name = "Suzuki"
addresses = ["suzuki@{name}.example.ac.jp"]
notify = "suzuki@{name}.example.ac.jp"
"""
        for key in keys:
            (self.folder / f"{key}.asc").write_bytes(export_key(self.home, key))
            text += f'[[officers.openpgp]]\nfingerprint = "{key}"\nfile = "{key}.asc"\n'
            text += "".join(f"{word} = {day}\n" for word, day in days.items())
        (self.folder / f"{name}.toml").write_text(text)

    def clock(self) -> datetime:
        return self.now

    def start(self) -> Authority:
        """As `ringi run` does it, with what the journal remembers."""
        with reading(self.engine) as session:
            known = last_in_force(session)
        authority = Authority(self.config, self.clock, known)
        authority.note(self.engine, self.now)
        return authority


@pytest.fixture
def site(tmp_path: Path, home: Path) -> Iterator[Site]:
    made = Site(tmp_path, home)
    yield made
    made.engine.dispose()


def faults_of(site: Site) -> list[str]:
    with pytest.raises(RegisterFault) as caught:
        site.start()
    return [str(fault).replace(f"{site.folder}/", "") for fault in caught.value.faults]


def test_until_when_each_key_signs_is_read_from_the_ring(
    site: Site, home: Path, good: str, ending: str, expired: str
) -> None:
    by_subkey = make_key(home, "s", "s@example.ac.jp", usage="cert")
    add_subkey(home, by_subkey, "5d")
    add_subkey(home, by_subkey, "20d")
    site.write("testkikan", good, ending, expired, by_subkey)
    ends = {key.fingerprint: key.ends_at for key in site.start().officer_keys}
    assert set(ends) == {good, ending, by_subkey}
    assert ends[good] is None
    for key, days in ((ending, 10), (by_subkey, 20)):
        end = ends[key]
        assert end is not None
        assert abs(end - NOW - timedelta(days=days)) < timedelta(minutes=10)


def test_a_first_start_with_an_institution_that_nobody_can_approve_for_is_refused(
    site: Site, good: str, expired: str
) -> None:
    site.write("testkikan", expired)
    site.write(OTHER, good)
    [fault] = faults_of(site)
    assert fault.startswith(
        "testkikan.toml: officers: no officer can sign today, too few for the policy one-officer: "
    )


def test_a_key_that_is_not_in_force_yet_or_not_any_more_leaves_nobody(site: Site, good: str) -> None:
    site.write("testkikan", good, since=date(2900, 1, 1))
    assert "no officer can sign today" in faults_of(site)[0]
    site.write("testkikan", good, until=date(2020, 1, 1))
    assert "no officer can sign today" in faults_of(site)[0]
    site.write("testkikan", good, since=date(2020, 1, 1), until=date(2900, 1, 1))
    assert site.start().register.institutions


def test_a_reload_that_would_leave_nobody_keeps_the_register_in_force(
    site: Site, good: str, expired: str
) -> None:
    site.write("testkikan", good)
    authority = site.start()
    before = authority.reader
    site.write("testkikan", expired)
    assert not authority.reload()
    assert authority.reader is before
    assert [key.fingerprint for key in authority.officer_keys] == [good]


def test_a_reload_with_a_new_institution_that_nobody_can_approve_for_is_refused(
    site: Site, good: str, expired: str
) -> None:
    site.write("testkikan", good)
    authority = site.start()
    site.write(OTHER, expired)
    assert not authority.reload()
    assert set(authority.register.institutions) == {"testkikan"}


def test_a_key_that_expires_stops_neither_a_restart_nor_the_other_institutions(
    site: Site, good: str, ending: str
) -> None:
    site.write("testkikan", ending)
    site.write(OTHER, good)
    site.start()
    site.now = NOW + timedelta(days=11)
    authority = site.start()
    assert set(authority.register.institutions) == {"testkikan", OTHER}
    assert authority.reload()


def test_after_a_key_expired_the_other_files_can_still_be_changed(site: Site, good: str, ending: str) -> None:
    site.write("testkikan", ending)
    authority = site.start()
    site.now = NOW + timedelta(days=11)
    site.write(OTHER, good)
    assert authority.reload()
    assert set(authority.register.institutions) == {"testkikan", OTHER}


def test_after_a_key_expired_its_own_file_can_be_changed_step_by_step_while_we_run(
    site: Site, ending: str, expired: str
) -> None:
    site.write("testkikan", ending)
    authority = site.start()
    site.now = NOW + timedelta(days=11)
    site.write("testkikan", ending, expired)
    assert authority.reload()


def test_a_revocation_in_a_key_file_counts_at_once_also_where_nobody_is_left(site: Site, home: Path) -> None:
    key = make_key(home, "lost", "lost@example.ac.jp")
    site.write("testkikan", key)
    authority = site.start()
    assert authority.officer_keys
    revoke_key(home, key)
    site.write("testkikan", key)
    assert authority.reload()
    assert authority.officer_keys == ()
    assert site.start().officer_keys == ()


def test_a_start_with_a_changed_file_that_leaves_nobody_is_refused(
    site: Site, good: str, expired: str
) -> None:
    site.write("testkikan", good)
    site.start()
    site.write("testkikan", expired)
    assert "no officer can sign today" in faults_of(site)[0]


def test_who_only_looks_is_not_refused(site: Site, expired: str) -> None:
    site.write("testkikan", expired)
    assert Authority(site.config, site.clock).officer_keys == ()


def test_CSR2_the_list_of_blocked_keys_is_read_with_the_register_and_a_bad_one_changes_nothing(
    site: Site, good: str, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked.txt"
    blocked.write_text("a" * 64)
    site.config = site.config.model_copy(update={"blocked_keys": blocked})
    site.write("testkikan", good)
    authority = site.start()
    assert authority.blocked_keys == {"a" * 64}
    blocked.write_text("nonsense")
    assert not authority.reload()
    assert authority.blocked_keys == {"a" * 64}
    blocked.write_text("b" * 64)
    assert authority.reload()
    assert authority.blocked_keys == {"b" * 64}
