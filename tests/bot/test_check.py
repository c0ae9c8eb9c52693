"""The doctor: each seeded fault is found by its part, with what to do about it, and hides no other."""

import dataclasses
import http.server
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from bot.demo.keys import export_key, make_key, stop_agent
from bot.doctor.check import PARTS, Finding, check
from bot.doctor.store import disk_findings
from bot.setup.answers import Answers, NewCa, OfficerAnswers, ServerAnswers
from bot.setup.prepare import prepare
from bot.setup.text import toml_string
from store import journal
from store.transaction import open_store, upgrade, writing
from tests.institution import an_institution
from tests.servers.people import BOT

if TYPE_CHECKING:
    from tests.servers.fixtures import MailServers

pytest_plugins = ("tests.servers.fixtures",)

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Desk:
    """A prepared installation of which every test has its own copy."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    def edit(self, old: str, new: str, file: str = "config.toml") -> None:
        before = (self.path / file).read_text(encoding="utf-8")
        assert old in before
        (self.path / file).write_text(before.replace(old, new, 1), encoding="utf-8")

    def add(self, section: str, line: str) -> None:
        self.edit(f"[{section}]\n", f"[{section}]\n{line}\n")

    def found(self, part: str | None = None, now: datetime = NOW) -> list[Finding]:
        return check(self.config, now=now, only=(part,) if part else ())

    def only(self, part: str, now: datetime = NOW) -> Finding:
        [finding] = self.found(part, now)
        return finding


@pytest.fixture(scope="module")
def made(need: Callable[[str], str]) -> Iterator[Path]:
    """Made once: keys cost time. Its servers are down: nobody listens on port 1."""
    need("gpg")
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        home = Path(folder) / "gpg"
        fingerprint = make_key(home, "Hanako <officer@example.ac.jp>")
        (Path(folder) / "hanako.asc").write_bytes(export_key(home, fingerprint))
        answers = Answers(
            instance="testkikan-1",
            address=BOT,
            imap=ServerAnswers("127.0.0.1", 1, "tls", BOT, Path("mail.password")),
            smtp=ServerAnswers("127.0.0.1", 1, "tls", BOT, Path("mail.password")),
            public_url="http://127.0.0.1:1",
            institution=an_institution((NOW + 300 * DAY).date()),
            officers=(
                OfficerAnswers("hanako", "花子", "officer@example.ac.jp", Path(folder) / "hanako.asc"),
            ),
            ca=NewCa("testkikan CA", "p256"),
            web_port=1,
            monitors=("monitor@example.ac.jp",),
        )
        prepare(Path(folder) / "made", answers, now=NOW - DAY, random=os.urandom)
        config = Path(folder) / "made/config.toml"
        holidays = f"holidays = [{(NOW + timedelta(hours=9)).year}-01-01]\n"
        config.write_text(holidays + config.read_text(encoding="utf-8"), encoding="utf-8")
        (Path(folder) / "made/mail.password").touch(mode=0o600)
        (Path(folder) / "made/mail.password").write_text("secret\n")
        stop_agent(Path(folder) / "made/state/gnupg")
        yield Path(folder) / "made"
        stop_agent(home)


@pytest.fixture
def desk(made: Path) -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        path = Path(folder) / "d"
        shutil.copytree(made, path, ignore=shutil.ignore_patterns("S.*"))
        yield Desk(path)
        stop_agent(path / "state/gnupg")


@pytest.fixture
def live(desk: Desk, mail_servers: "MailServers") -> Desk:
    """The same, with running servers."""
    imap, smtp = mail_servers.dovecot.imap(BOT), mail_servers.postfix.smtp(BOT)
    for server in (imap, smtp):
        desk.edit("port = 1\n", f"port = {server.port}\nca_file = {toml_string(str(server.ca_file))}\n")
        desk.edit(
            'password_file = "mail.password"', f"password_file = {toml_string(str(server.password_file))}"
        )
    return desk


def assert_wrong(finding: Finding, *parts_of_what: str, mend: str) -> None:
    assert not finding.ok, finding
    for part in parts_of_what:
        assert part in finding.what
    assert mend in finding.mend


def assert_warning(finding: Finding, *parts_of_what: str, mend: str) -> None:
    assert finding.ok, finding
    for part in parts_of_what:
        assert part in finding.what
    assert mend in finding.mend
    assert finding.mend


def parts(findings: list[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.part for finding in findings))


def test_a_prepared_site_with_running_servers_is_well_in_every_part(live: Desk) -> None:
    findings = live.found()
    assert [f for f in findings if not f.ok] == []
    assert [f.part for f in findings if f.mend] == ["URL"]
    assert parts(findings) == [name for name, _ in PARTS]


def test_every_part_is_examined_though_most_have_a_fault(desk: Desk) -> None:
    desk.edit('fingerprint = "', 'gpg = "no-such-gpg"\nfingerprint = "')
    desk.edit("organization", "organisation", "register/testkikan.toml")
    (desk.path / "ca/passphrase").write_text("wrong\n")
    shutil.rmtree(desk.path / "state")
    findings = desk.found()
    assert parts(findings) == [name for name, _ in PARTS]
    wrong = parts([f for f in findings if not f.ok])
    keys = ["gpg", "officer keys", "signing key", "officers"]
    assert wrong == ["register", "store", *keys, "CA", "IMAP", "SMTP"]
    assert all(f.mend for f in findings if not f.ok)


def test_a_part_that_can_not_be_looked_at_is_a_finding_and_no_crash(desk: Desk) -> None:
    desk.edit("[openpgp]", f'[store]\nurl = "sqlite:///state/{"x" * 300}"\n\n[openpgp]')
    assert_wrong(desk.only("store"), "can't be examined", "too long", mend="owner and mode")


# config


def test_a_missing_configuration_ends_the_examination_and_names_the_command(tmp_path: Path) -> None:
    [finding] = check(tmp_path / "config.toml", now=NOW)
    assert_wrong(finding, "does not exist", mend="ringi init")


def test_every_fault_of_the_configuration_is_a_finding_with_its_line(desk: Desk) -> None:
    desk.edit("[imap]\n", "[imap]\nhosts = 1\nfolder = 2\n")
    findings = desk.found()
    assert {f.part for f in findings} == {"config"}
    assert_wrong(findings[0], f"{desk.config}:", "imap.hosts: unknown key", mend="config.example.toml")
    assert len(findings) == 2


def test_a_configuration_that_everybody_may_change_is_wrong(desk: Desk) -> None:
    desk.config.chmod(0o666)
    assert_wrong(desk.only("config"), "everybody", mend=f"chmod o-w {desk.config}")


# register


def test_a_fault_of_the_register_is_told_with_its_file_and_line(desk: Desk) -> None:
    desk.edit("organization", "organisation", "register/testkikan.toml")
    findings = desk.found("register")
    assert_wrong(findings[-1], "testkikan.toml:", "organisation: unknown key", mend="testkikan.toml")
    assert_wrong(desk.only("officer keys"), "register", mend="register first")


def test_an_empty_register_says_where_the_files_belong(desk: Desk) -> None:
    desk.edit("[imap]\n", "")
    desk.edit("instance =", 'register_dir = "none"\ninstance =')
    desk.edit("# Where mails come in.\n", "# Where mails come in.\n[imap]\n")
    assert_wrong(desk.only("register"), str(desk.path / "none"), mend="register_dir")


def test_a_register_file_that_everybody_may_change_is_wrong(desk: Desk) -> None:
    file = desk.path / "register/testkikan.toml"
    file.chmod(0o646)
    assert_wrong(desk.found("register")[1], "everybody", mend=f"chmod o-w {file}")


@pytest.mark.parametrize(
    ("after", "said"), [(301, "was vetted until"), (280, "is vetted only until"), (None, "is not vetted")]
)
def test_a_domain_whose_vetting_ended_or_ends_soon_is_a_warning(
    after: int | None, said: str, desk: Desk
) -> None:
    if after is None:
        desk.edit("vetted_until", "# vetted_until", "register/testkikan.toml")
    warning = desk.found("register", NOW + (after or 0) * DAY)[1]
    assert_warning(warning, "example.ac.jp", said, mend=str(desk.path / "register/testkikan.toml"))


# store


def store_of(desk: Desk) -> Path:
    return desk.path / "state/ringi.db"


# a row that only has to be there
ISSUED = (
    "INSERT INTO certificates (entry_id, issuer, serial, not_before, not_after, der) "
    "VALUES (1, 'x', '1', '2026-01-01 00:00:00', '2027-01-01 00:00:00', x'00')"
)


def make_store(desk: Desk, *statements: str) -> None:
    engine = open_store(f"sqlite:///{store_of(desk)}")
    upgrade(engine)
    with writing(engine) as session:
        for statement in statements:
            session.execute(text(statement))
    engine.dispose()


def test_the_doctor_does_not_make_the_store(desk: Desk) -> None:
    assert desk.only("store").ok
    assert not store_of(desk).exists()


def test_a_store_of_the_newest_schema_is_well(desk: Desk) -> None:
    make_store(desk)
    finding = desk.only("store")
    assert finding.ok
    assert "newest" in finding.what


def test_a_store_older_than_the_program_is_a_warning_to_copy_it_first(desk: Desk) -> None:
    make_store(desk, "DROP TABLE outbox")
    assert_warning(desk.only("store"), "older", "outbox", mend="copy the store")


@pytest.mark.parametrize("statement", ["CREATE TABLE later (x)", "ALTER TABLE journal ADD COLUMN later TEXT"])
def test_a_store_newer_than_the_program_is_wrong(statement: str, desk: Desk) -> None:
    make_store(desk, statement)
    assert_wrong(desk.only("store"), "newer", mend="install the newer")


def test_a_missing_folder_is_made_by_the_command_that_is_told(desk: Desk) -> None:
    shutil.rmtree(desk.path / "state")
    mend = desk.only("store").mend
    subprocess.run(mend.split(), check=True)
    assert desk.only("store").ok


def test_a_store_that_is_no_database_is_wrong(desk: Desk) -> None:
    store_of(desk).write_bytes(b"rubbish" * 1000)
    assert_wrong(desk.only("store"), "not a database", mend="store.url")


@pytest.mark.parametrize("url", ["no url", "nodatabase://x/y"])
def test_a_store_url_that_means_nothing_is_wrong(url: str, desk: Desk) -> None:
    desk.edit("[openpgp]", f'[store]\nurl = "{url}"\n\n[openpgp]')
    assert_wrong(desk.only("store"), mend="store.url")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("part", "folder"), [("store", "state"), ("signing key", "state/gnupg")])
def test_what_belongs_to_the_service_is_not_touched_by_another_user(
    part: str, folder: str, desk: Desk
) -> None:
    subprocess.run(["chown", "-R", "65534:65534", str(desk.path / folder)], check=True)
    before = sorted((desk.path / folder).rglob("*"))
    assert_wrong(
        desk.only(part), "belongs to nobody", mend=f"sudo -u nobody ringi check --config {desk.config}"
    )
    assert sorted((desk.path / folder).rglob("*")) == before


def test_a_disk_that_fills_is_a_warning_and_a_full_one_is_wrong() -> None:
    megabyte = 1024 * 1024
    assert list(disk_findings(5000 * megabyte, Path("/x"), 1024 * megabyte)) == []
    [nearly] = disk_findings(900 * megabyte, Path("/x"), 1024 * megabyte)
    assert_warning(nearly, "900 MB", "/x", mend="make room")
    [full] = disk_findings(100 * megabyte, Path("/x"), 1024 * megabyte)
    assert_wrong(full, "100 MB", mend="make room")


# keys


def test_a_missing_gpg_says_how_to_install_it_and_hides_nothing(desk: Desk) -> None:
    desk.edit('fingerprint = "', 'gpg = "no-such-gpg"\nfingerprint = "')
    assert_wrong(desk.only("gpg"), "no-such-gpg", mend="apt-get install gnupg")
    assert_wrong(desk.only("officer keys"), "no-such-gpg", mend="no-such-gpg")
    assert not desk.only("signing key").ok


def test_an_old_gpg_is_wrong(desk: Desk, tmp_path: Path) -> None:
    old = tmp_path / "gpg"
    old.write_text("#!/bin/sh\necho 'gpg (GnuPG) 1.4.23'\n")
    old.chmod(0o755)
    desk.edit('fingerprint = "', f'gpg = "{old}"\nfingerprint = "')
    assert_wrong(desk.only("gpg"), "1.4.23", mend="apt-get")


def test_an_officers_key_file_that_holds_another_key_is_wrong(desk: Desk) -> None:
    file = desk.path / "register/keys/testkikan-hanako.asc"
    shutil.copy(desk.path / "bot-key.asc", file)
    assert_wrong(desk.only("officer keys"), "hanako of testkikan", "not only the pinned", mend=str(file))


def test_the_doctor_leaves_no_keyring_behind(desk: Desk) -> None:
    assert desk.only("officer keys").ok
    assert not (desk.path / "state/gnupg-officers").exists()


def test_an_officers_key_that_ends_within_a_month_is_a_warning(desk: Desk) -> None:
    assert desk.only("officer keys", NOW + 330 * DAY).mend == ""
    warning = desk.only("officer keys", NOW + 340 * DAY)
    assert_warning(warning, "hanako of testkikan", "signs only until", mend="testkikan-hanako.asc")


def test_an_officers_key_that_has_expired_is_wrong(desk: Desk) -> None:
    with tempfile.TemporaryDirectory(prefix="ringi-") as home:
        command = ["gpg", "--homedir", home, "--batch", "--faked-system-time", "20200101T000000"]
        command += [
            "--passphrase",
            "",
            "--quick-generate-key",
            "Old <old@example.ac.jp>",
            "ed25519",
            "sign",
            "1y",
        ]
        subprocess.run(command, capture_output=True, check=True)
        file = desk.path / "register/keys/testkikan-hanako.asc"
        file.write_bytes(export_key(Path(home), "old@example.ac.jp"))
        stop_agent(Path(home))
    shown = subprocess.run(
        ["gpg", "--with-colons", "--show-keys", str(file)], capture_output=True, text=True, check=True
    ).stdout
    fingerprint = next(line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr"))
    register = desk.path / "register/testkikan.toml"
    kept = [line for line in register.read_text().splitlines() if not line.startswith("fingerprint")]
    where = kept.index("[[officers.openpgp]]") + 1
    register.write_text("\n".join([*kept[:where], f'fingerprint = "{fingerprint}"', *kept[where:]]))
    assert_wrong(desk.only("officer keys"), "expired", "counts", mend=str(file))


def test_a_signing_key_that_is_not_there_names_the_key_of_the_configuration(desk: Desk) -> None:
    config = desk.config.read_text().splitlines()
    line = next(line for line in config if line.startswith("fingerprint"))
    desk.edit(line, f'fingerprint = "{"A" * 40}"')
    assert_wrong(desk.only("signing key"), "does not sign", mend=f"openpgp.fingerprint in {desk.config}")


def test_a_signing_key_that_ends_within_a_month_is_a_warning(desk: Desk) -> None:
    line = next(line for line in desk.config.read_text().splitlines() if line.startswith("fingerprint"))
    fingerprint = line.split('"')[1]
    gpg = ["gpg", "--homedir", str(desk.path / "state/gnupg"), "--batch", "--quick-set-expire", fingerprint]
    subprocess.run([*gpg, "40d"], capture_output=True, check=True)
    assert desk.only("signing key").mend == ""
    subprocess.run([*gpg, "20d"], capture_output=True, check=True)
    assert_warning(desk.only("signing key"), fingerprint, "only until", mend="--quick-set-expire")


def test_a_signing_key_that_has_expired_is_wrong(desk: Desk) -> None:
    gpg = ["gpg", "--homedir", str(desk.path / "state/gnupg"), "--batch"]
    make = ["--passphrase", "", "--quick-generate-key", "Old <old@example.ac.jp>", "ed25519", "sign", "1y"]
    subprocess.run([*gpg, "--faked-system-time", "20200101T000000", *make], capture_output=True, check=True)
    listed = subprocess.run(
        [*gpg, "--with-colons", "-k", "old@example.ac.jp"], capture_output=True, check=True
    )
    old = next(line for line in listed.stdout.decode().splitlines() if line.startswith("fpr")).split(":")[9]
    new = next(line for line in desk.config.read_text().splitlines() if line.startswith("fingerprint"))
    desk.edit(new, f'fingerprint = "{old}"')
    assert_wrong(desk.only("signing key"), "does not sign", mend="openpgp.fingerprint")


def test_a_missing_gpg_home_is_named_and_not_made(desk: Desk) -> None:
    desk.add("openpgp", 'home = "elsewhere"')
    assert_wrong(desk.only("signing key"), str(desk.path / "elsewhere"), mend="openpgp.home")
    assert not (desk.path / "elsewhere").exists()


def test_a_passphrase_file_of_the_signing_key_that_is_missing_is_named(desk: Desk) -> None:
    desk.add("openpgp", 'passphrase_file = "nowhere"')
    assert_wrong(desk.only("signing key"), str(desk.path / "nowhere"), mend="openpgp.passphrase_file")


# CA


def test_a_wrong_passphrase_of_the_ca_says_where_to_correct_it(desk: Desk) -> None:
    (desk.path / "ca/passphrase").write_text("wrong\n")
    assert_wrong(desk.only("CA"), "does not open", "ca.passphrase_file", mend=str(desk.config))


@pytest.mark.parametrize("name", ["ca.key", "passphrase"])
def test_a_secret_of_the_ca_that_everybody_can_read_is_wrong_and_closed_by_the_command(
    name: str, desk: Desk
) -> None:
    (desk.path / "ca" / name).chmod(0o644)
    finding = desk.found("CA")[0]
    assert_wrong(finding, name, "read by everybody", mend="chmod 600")
    subprocess.run(finding.mend.split(), check=True)
    assert desk.only("CA").ok


def test_a_ca_that_has_expired_or_is_not_yet_valid_is_wrong(desk: Desk) -> None:
    assert_wrong(desk.only("CA", NOW + 3650 * DAY), "expired", mend="[ca]")
    assert_wrong(desk.only("CA", NOW - 2 * DAY), "clock", mend="[ca]")


def test_a_ca_that_its_profiles_outlive_is_wrong_and_soon_before_a_warning(desk: Desk) -> None:
    last = 3650 - 396
    first = desk.found("CA", NOW + last * DAY)[0]
    assert_wrong(first, "profile 3 (396 days) outlives", mend="shorten `days` of profile 3")
    first = desk.found("CA", NOW + (last - 20) * DAY)[0]
    assert_warning(first, "profile 3 (396 days) will soon outlive", mend="renew")
    assert desk.only("CA", NOW + (last - 40) * DAY).ok


def test_a_ca_key_that_is_not_encrypted_is_a_warning(desk: Desk, need: Callable[[str], str]) -> None:
    key = desk.path / "ca/ca.key"
    command = [need("openssl"), "pkcs8", "-topk8", "-nocrypt", "-in", str(key), "-out", f"{key}.open"]
    subprocess.run([*command, "-passin", f"file:{desk.path / 'ca/passphrase'}"], check=True)
    Path(f"{key}.open").rename(key)
    desk.edit('passphrase_file = "ca/passphrase"\n', "")
    assert_warning(desk.found("CA")[0], "not encrypted", mend="openssl pkcs8")


# officers, signer, journal


@pytest.mark.parametrize("day", ["until = 2020-01-01", "since = 2098-01-01"])
def test_an_institution_that_nobody_can_approve_for_today_is_wrong(day: str, desk: Desk) -> None:
    assert desk.only("officers").ok
    desk.edit("[[officers.openpgp]]\n", f"[[officers.openpgp]]\n{day}\n", "register/testkikan.toml")
    finding = desk.only("officers")
    assert_wrong(finding, "testkikan: no officer can sign today", "wait", mend="testkikan.toml")
    assert "active = false" in finding.mend


def test_too_few_officers_for_a_policy_are_named(desk: Desk) -> None:
    register = desk.path / "register/testkikan.toml"
    second = (
        '[[officers]]\nid = "taro"\nname = "T"\naddresses = ["t@example.ac.jp"]\nnotify = "t@example.ac.jp"\n'
    )
    shutil.copy(desk.path / "bot-key.asc", desk.path / "register/keys/taro.asc")
    bot = next(line for line in desk.config.read_text().splitlines() if line.startswith("fingerprint"))
    key = f'[[officers.openpgp]]\n{bot}\nfile = "keys/taro.asc"\n'
    policy = '[[policies]]\nname = "two"\napprovals = 2\n'
    before = register.read_text()
    register.write_text(f"{before}\n{second}{key}{policy}")
    assert desk.only("officers").ok
    register.write_text(f"{before}\n{second}{key}until = 2020-01-01\n{policy}")
    assert_wrong(desk.only("officers"), "only hanako can sign", "policy two", mend="pin keys")


def make_public(desk: Desk, without: str = "") -> None:
    """Its URLs are those that init wrote."""
    lines = [one for one in desk.config.read_text().splitlines() if not one.startswith(without or "\0")]
    profile = '[[profile]]\nid = 3\nkey = "rsa2048"\npublic = true\n'
    desk.config.write_text("\n".join([*lines, profile]), encoding="utf-8")


@pytest.mark.parametrize("missing", ["crl_url", "issuer_url"])
def test_a_public_profile_without_a_url_that_its_rules_demand_is_wrong(missing: str, desk: Desk) -> None:
    make_public(desk, without=missing)
    assert_wrong(desk.found("signer")[0], "public profile 3", f"ca.{missing}", mend=f"ca.{missing} of")


def test_a_public_profile_without_the_lint_extra_is_wrong(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_public(desk)
    assert desk.only("signer").ok
    monkeypatch.setitem(sys.modules, "pkilint.pkix.certificate", None)
    assert_wrong(desk.found("signer")[0], "public profile 3", "lint", mend="pip install 'ringi[lint]'")


def test_a_missing_ledger_beside_issued_certificates_is_wrong(desk: Desk) -> None:
    make_store(desk)
    assert desk.only("signer").ok
    with closing(sqlite3.connect(store_of(desk))) as connection, connection:
        connection.execute(ISSUED)
    finding = desk.found("signer")[0]
    assert_wrong(finding, "signer.db is missing", "1 certificate(s)", mend="newest copy")
    (desk.path / "state/signer.db").touch()
    assert desk.only("signer").ok


def test_a_socket_on_which_no_signer_answers_is_wrong(desk: Desk) -> None:
    path = desk.path / "state/signer.sock"
    with socket.socket(socket.AF_UNIX) as left_by_a_crash:
        left_by_a_crash.bind(str(path))
    assert_wrong(desk.only("signer"), str(path), "nobody answers", mend="restart")


def test_a_signer_that_answers_is_well(desk: Desk) -> None:
    command = [sys.executable, "-m", "bot.cli", "signer", "--config", str(desk.config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT) as process:
        assert process.stdout is not None
        while b"signer ready" not in process.stdout.readline():
            assert process.poll() is None
        finding = desk.only("signer")
        process.terminate()
    assert (finding.ok, "it answers" in finding.what) == (True, True)


def test_a_journal_that_was_changed_is_wrong(desk: Desk) -> None:
    assert "none yet" in desk.only("journal").what
    make_store(desk)
    engine = open_store(f"sqlite:///{store_of(desk)}")
    with writing(engine) as session:
        for n in range(3):
            journal.append(session, NOW, "event", {"n": n})
    engine.dispose()
    assert "3 entries hold" in desk.only("journal").what
    make_store(desk, "UPDATE journal SET event = 'other' WHERE seq = 2")
    assert_wrong(desk.only("journal"), "entry 2 was changed", mend="ringi journal verify --against")


# servers

SERVER_FAULTS = {
    "host": ('host = "127.0.0.1"', 'host = "nowhere.invalid"', "nowhere.invalid", ".host"),
    "untrusted": ("ca_file", "# ca_file", "not trusted", ".ca_file"),
    "no trust file": ('ca_file = "', 'ca_file = "/nowhere', "/nowhere", ".ca_file"),
    "no secret": ('password_file = "', 'password_file = "/nowhere', "/nowhere", "mode 600"),
    "user": (f'user = "{BOT}"', 'user = "nobody@example.ac.jp"', "login as nobody", ".password_file"),
    "security": ('security = "tls"', 'security = "starttls"', "connecting failed", "security"),
}


@pytest.mark.parametrize("section", ["imap", "smtp"])
@pytest.mark.parametrize("seed", SERVER_FAULTS)
def test_a_server_fault_names_the_key_to_correct(section: str, seed: str, live: Desk) -> None:
    old, new, what, mend = SERVER_FAULTS[seed]
    before, middle, after = live.config.read_text().partition(f"[{section}]\n")
    assert old in after
    live.config.write_text(before + middle + "timeout = 2\n" + after.replace(old, new, 1))
    finding = live.only(section.upper())
    assert_wrong(finding, what, mend=mend)
    assert section in finding.mend
    other = {"imap": "SMTP", "smtp": "IMAP"}[section]
    assert live.only(other).ok


@pytest.mark.parametrize("section", ["imap", "smtp"])
def test_a_server_that_is_down_names_the_usual_ports(section: str, desk: Desk) -> None:
    assert_wrong(desk.only(section.upper()), "127.0.0.1:1", mend=f"{section}.port (")


def test_tls_to_a_plain_port_names_security_and_port(live: Desk, mail_servers: "MailServers") -> None:
    dovecot = mail_servers.dovecot
    live.edit(f"port = {dovecot.imaps_port}", f"port = {dovecot.imap_port}")
    assert_wrong(live.only("IMAP"), "SSL", mend="imap.security")


def test_a_folder_that_the_server_will_not_make_is_named_with_its_keys(live: Desk) -> None:
    live.add("imap", f'done = "{"x" * 300}"')
    assert_wrong(live.only("IMAP"), "folders failed", mend="imap.folder, done, refused and quarantine")


# the rest


def test_a_broken_template_is_named_by_its_file(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "mail_templates", tmp_path / "mail_templates")
    broken = tmp_path / "mail_templates"
    (broken / "ja/officer.answer.txt").write_text("{% if %}")
    (broken / "en/applicant.help.txt").unlink()
    reasons = (broken / "en/reasons.toml").read_text(encoding="utf-8")
    (broken / "en/reasons.toml").write_text(reasons.replace("[lapsed]", "[relapsed]"), encoding="utf-8")
    program = (
        "from bot.compose.check import template_faults\nfrom handlers.context import Desk\n"
        "print(*template_faults(Desk('i', 'a@example.jp', 'u')), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    for name in ("ja/officer.answer.txt", "en/applicant.help.txt", "en/reasons.toml: lapsed"):
        assert name in done.stdout
    assert "ja/applicant.help.txt" not in done.stdout


def test_a_clock_of_a_dead_battery_is_wrong(desk: Desk) -> None:
    assert_wrong(desk.only("clock", datetime(1970, 1, 1, tzinfo=UTC)), "1970", mend="timedatectl")


def test_a_clock_behind_the_journal_is_wrong(desk: Desk) -> None:
    make_store(desk)
    engine = open_store(f"sqlite:///{store_of(desk)}")
    with writing(engine) as session:
        journal.append(session, NOW, "started", {})
    engine.dispose()
    assert desk.only("clock").ok
    assert_wrong(desk.only("clock", NOW - timedelta(hours=1)), "journal", mend="timedatectl")


def test_a_public_url_without_tls_is_wrong_but_on_loopback(desk: Desk) -> None:
    assert desk.only("URL").ok
    desk.edit('public_url = "http://127.0.0.1:1"', 'public_url = "http://ringi.example.ac.jp"')
    assert_wrong(desk.only("URL"), "not https", mend="web.public_url")


def test_believing_every_proxy_is_wrong(desk: Desk) -> None:
    desk.add("web", 'trusted_proxies = ["*"]')
    assert_wrong(desk.found("URL")[0], "any visitor", mend="web.trusted_proxies")


def test_a_page_that_does_not_answer_is_a_warning(desk: Desk) -> None:
    assert_warning(desk.only("URL"), "does not answer yet", mend="ringi run")


def test_a_page_that_answers_is_well(desk: Desk) -> None:
    asked: list[str] = []

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        desk.edit(
            'public_url = "http://127.0.0.1:1"', f'public_url = "http://127.0.0.1:{server.server_port}"'
        )
        finding = desk.only("URL")
        server.shutdown()
        thread.join()
    assert asked == ["/health"]
    assert (finding.ok, finding.mend) == (True, "")
