"""`ringi init`: what it writes is read back by the program itself and by gpg."""

import dataclasses
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ca.local import LocalCa
from bot.ca.making import make_ca
from bot.config import load_config, read_passphrase
from bot.demo.keys import export_key, make_key, stop_agent
from bot.openpgp.keys import OfficerKeys
from bot.register import load_register
from bot.setup.answers import InstitutionAnswers, NewCa, OfficerAnswers, OwnCa, ServerAnswers
from bot.setup.prepare import Answers, Prepared, SetupFault, ask, prepare
from bot.setup.text import toml_string
from handlers.incoming import Scheme

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)


@dataclasses.dataclass(frozen=True)
class Officer:
    """An officer who has a key: its file and its fingerprint."""

    key_file: Path
    fingerprint: str
    gpg_home: Path


@pytest.fixture(scope="module")
def officer(need: Callable[[str], str]) -> Iterator[Officer]:
    need("gpg")
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        home = Path(folder) / "gpg"
        fingerprint = make_key(home, "Hanako <officer@example.ac.jp>")
        key_file = Path(folder) / "hanako.asc"
        key_file.write_bytes(export_key(home, fingerprint))
        yield Officer(key_file, fingerprint, home)
        stop_agent(home)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that does not exist yet; short, for gpg's sockets."""
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        yield Path(folder) / "bot"
        stop_agent(Path(folder) / "bot/state/gnupg")


def answers_with(officer: Officer, **changes: object) -> Answers:
    return dataclasses.replace(
        Answers(
            instance="testkikan-1",
            address="bot@example.ac.jp",
            imap=ServerAnswers("imap.example.ac.jp", 993, "tls", "bot", password_file=Path("mail.password")),
            smtp=ServerAnswers(
                "smtp.example.ac.jp", 587, "starttls", "bot", None, "echo token", Path("mail-ca.pem")
            ),
            public_url="https://ringi.example.ac.jp",
            institution=InstitutionAnswers(
                id="testkikan",
                name="試験機関",
                organization="testkikan",
                state="Tokyo",
                locality="Chiyoda-ku",
                domains=("example.ac.jp", "example.jp"),
                applicant_domains=("example.ac.jp",),
                vetted_until=date(2027, 3, 31),
                language="both",
            ),
            officers=(OfficerAnswers("hanako", "登録 花子", "officer@example.ac.jp", officer.key_file),),
            ca=NewCa("testkikan CA"),
            name="稟議",
            web_port=8400,
            monitors=("monitor@example.ac.jp",),
        ),
        **changes,
    )


def prepared(place: Path, answers: Answers) -> Prepared:
    return prepare(place, answers, now=NOW, random=lambda count: bytes(range(count)))


def faults_of(place: Path, answers: Answers) -> SetupFault:
    with pytest.raises(SetupFault) as caught:
        prepared(place, answers)
    return caught.value


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_nothing_was_written(place: Path) -> None:
    assert not place.exists() or not any(place.iterdir())


def test_what_is_prepared_is_read_back_as_it_was_answered(officer: Officer, place: Path) -> None:
    done = prepared(place, answers_with(officer))
    config = load_config(done.config)
    assert (config.instance, config.address, config.name) == ("testkikan-1", "bot@example.ac.jp", "稟議")
    assert (config.imap.host, config.imap.port, config.imap.security) == ("imap.example.ac.jp", 993, "tls")
    assert config.imap.password_file == place / "mail.password"
    assert (config.smtp.port, config.smtp.security) == (587, "starttls")
    assert config.smtp.secret() == "token"
    assert config.smtp.ca_file == place / "mail-ca.pem"
    assert (config.web.public_url, config.web.port) == ("https://ringi.example.ac.jp", 8400)
    assert config.monitors == ("monitor@example.ac.jp",)
    institution = load_register(config.register_dir).institutions["testkikan"]
    assert (institution.name, institution.organization) == ("試験機関", "testkikan")
    assert (institution.state, institution.locality) == ("Tokyo", "Chiyoda-ku")
    assert [(d.name, d.vetted_until) for d in institution.domains] == [
        ("example.ac.jp", date(2027, 3, 31)),
        ("example.jp", date(2027, 3, 31)),
    ]
    assert institution.applicant_domains == ("example.ac.jp",)
    assert institution.language == "both"
    assert institution.officer("hanako").name == "登録 花子"


def test_the_officers_key_is_pinned_by_its_fingerprint_and_opens_as_a_keyring(
    officer: Officer, place: Path
) -> None:
    config = load_config(prepared(place, answers_with(officer)).config)
    register = load_register(config.register_dir)
    assert register.officer_with_key(Scheme.OPENPGP, officer.fingerprint)[1].id == "hanako"
    keys = OfficerKeys.load(register, config.register_dir, config.openpgp.officers_home)
    assert keys.warnings == ()


def test_the_new_ca_opens_with_the_passphrase_that_lies_beside_it(officer: Officer, place: Path) -> None:
    config = load_config(prepared(place, answers_with(officer)).config)
    passphrase = read_passphrase(config.ca)
    assert len(passphrase) == 32
    LocalCa.open(config.ca, passphrase, now=NOW)
    assert b"ENCRYPTED" in config.ca.key.read_bytes()


def test_a_passphrase_that_was_chosen_is_the_one_used(officer: Officer, place: Path) -> None:
    chosen = NewCa("testkikan CA", "p256", passphrase="chosen by a person")
    config = load_config(prepared(place, answers_with(officer, ca=chosen)).config)
    assert read_passphrase(config.ca) == "chosen by a person"
    LocalCa.open(config.ca, "chosen by a person", now=NOW)


def test_secrets_are_for_their_owner_only(officer: Officer, place: Path) -> None:
    prepared(place, answers_with(officer))
    assert {mode_of(place / name) for name in ("ca/ca.key", "ca/passphrase")} == {0o600}
    assert {mode_of(place / name) for name in ("ca", "state", "state/gnupg")} == {0o700}


def test_officers_get_the_public_half_of_the_bots_key(
    officer: Officer, place: Path, need: Callable[[str], str]
) -> None:
    done = prepared(place, answers_with(officer))
    assert load_config(done.config).openpgp.fingerprint == done.fingerprint
    with tempfile.TemporaryDirectory(prefix="ringi-") as home:
        command = [need("gpg"), "--homedir", home, "--batch", "--with-colons", "--show-keys"]
        shown = subprocess.run(
            [*command, str(place / "bot-key.asc")], capture_output=True, text=True, check=True
        ).stdout
    assert f":{done.fingerprint}:" in shown
    assert "<bot@example.ac.jp>" in shown
    assert shown.startswith("pub:")


def test_what_is_left_for_a_person_is_said_with_paths(officer: Officer, place: Path) -> None:
    institution = dataclasses.replace(answers_with(officer).institution, vetted_until=None)
    done = prepared(place, answers_with(officer, institution=institution))
    to_do = "\n".join(done.to_do)
    for path in ("register/testkikan.toml", "ca/ca.key", "ca/passphrase", "bot-key.asc"):
        assert str(place / path) in to_do
    enter, check, run = done.next_steps
    assert str(place / "mail.password") in enter
    assert "`echo token`" in enter
    assert f"`ringi check --config {place}/config.toml --probe`" in check
    assert f"`ringi run --config {place}/config.toml`" in run


def test_a_password_file_that_is_there_already_is_not_asked_for(officer: Officer, place: Path) -> None:
    place.mkdir()
    (place / "mail.password").write_text("secret\n")
    assert "mail.password" not in prepared(place, answers_with(officer)).next_steps[0]


def test_no_file_is_overwritten_and_every_conflict_is_told_at_once(officer: Officer, place: Path) -> None:
    prepared(place, answers_with(officer))
    before = files_below(place)
    fault = faults_of(place, answers_with(officer))
    told = {Path(text.partition(" exists already")[0]) for text in fault.faults}
    kept = ("config.toml", "state/gnupg", "bot-key.asc", "register/testkikan.toml")
    kept += ("register/keys/testkikan-hanako.asc", "ca/ca.key", "ca/ca.pem", "ca/passphrase")
    assert told == {place / name for name in kept}
    assert fault.written == ()
    assert files_below(place) == before


def test_all_faults_of_the_answers_are_told_at_once_and_nothing_is_written(
    officer: Officer, place: Path
) -> None:
    fault = faults_of(
        place,
        answers_with(
            officer,
            address="no address",
            imap=ServerAnswers("mail.example.ac.jp", 143, "none", "bot", password_file=Path("p")),
            institution=dataclasses.replace(answers_with(officer).institution, domains=("nodots",)),
            officers=(
                OfficerAnswers("a", "A", "a@example.ac.jp", place / "missing.asc"),
                OfficerAnswers("B b", "B", "b@example.ac.jp", officer.key_file),
            ),
            ca=OwnCa(place / "no.key", place / "no.pem"),
        ),
    )
    for part in ("missing.asc", "address", "imap", "domains", "officers[1].id", "no."):
        assert part in str(fault)
    assert_nothing_was_written(place)


@pytest.mark.parametrize("identifier", ["../testkikan", "a/b", "", "-x", "Test"])
def test_an_institution_id_that_is_no_plain_file_name_is_refused(
    identifier: str, officer: Officer, place: Path
) -> None:
    institution = dataclasses.replace(answers_with(officer).institution, id=identifier)
    assert "institution's id" in str(faults_of(place, answers_with(officer, institution=institution)))
    assert_nothing_was_written(place)


def test_an_officers_secret_key_is_refused(officer: Officer, place: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.asc"
    secret.write_bytes(export_key(officer.gpg_home, officer.fingerprint, secret=True))
    wrong = OfficerAnswers("hanako", "H", "officer@example.ac.jp", secret)
    assert "SECRET" in str(faults_of(place, answers_with(officer, officers=(wrong,))))
    assert_nothing_was_written(place)


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_an_officers_file_must_hold_exactly_one_key(
    content: bytes | None, officer: Officer, place: Path, tmp_path: Path
) -> None:
    if content is None:
        with tempfile.TemporaryDirectory(prefix="ringi-") as home:
            other = make_key(Path(home), "Other <other@example.ac.jp>")
            content = officer.key_file.read_bytes() + export_key(Path(home), other)
            stop_agent(Path(home))
    (tmp_path / "keys.asc").write_bytes(content)
    wrong = OfficerAnswers("hanako", "H", "officer@example.ac.jp", tmp_path / "keys.asc")
    assert "must hold one" in str(faults_of(place, answers_with(officer, officers=(wrong,))))


def test_an_expired_officers_key_is_refused(officer: Officer, place: Path, tmp_path: Path) -> None:
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
        (tmp_path / "old.asc").write_bytes(export_key(Path(home), "old@example.ac.jp"))
        stop_agent(Path(home))
    wrong = OfficerAnswers("hanako", "H", "officer@example.ac.jp", tmp_path / "old.asc")
    assert "can't sign" in str(faults_of(place, answers_with(officer, officers=(wrong,))))


def test_a_ca_that_is_there_already_is_tried_and_left_where_it_is(
    officer: Officer, place: Path, tmp_path: Path
) -> None:
    key, certificate = make_ca("Mine", key="p256", days=99, passphrase="right", now=NOW)
    for name, content in {"my.key": key, "my.pem": certificate, "good": b"right\n", "bad": b"no\n"}.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    own = OwnCa(tmp_path / "my.key", tmp_path / "my.pem", passphrase_file=tmp_path / "bad")
    assert "does not open" in str(faults_of(place, answers_with(officer, ca=own)))
    own = dataclasses.replace(own, passphrase_file=tmp_path / "good")
    config = load_config(prepared(place, answers_with(officer, ca=own)).config)
    assert config.ca.key == tmp_path / "my.key"
    assert not (place / "ca").exists()
    LocalCa.open(config.ca, read_passphrase(config.ca), now=NOW)


def test_a_secret_is_never_written_through_a_link_somebody_laid(
    officer: Officer, place: Path, tmp_path: Path
) -> None:
    (place / "ca").mkdir(parents=True)
    (place / "ca/ca.key").symlink_to(tmp_path / "elsewhere")
    assert str(place / "ca/ca.key") in str(faults_of(place, answers_with(officer)))
    assert not (tmp_path / "elsewhere").exists()


def test_a_failure_in_the_middle_names_what_was_written(officer: Officer, place: Path) -> None:
    place.mkdir()
    # a file where a directory has to be
    (place / "register").write_text("")
    fault = faults_of(place, answers_with(officer))
    assert place / "ca/ca.key" in fault.written
    assert place / "config.toml" not in fault.written
    assert all(path.exists() for path in fault.written)
    assert f"{place / 'ca/ca.key'} was written already" in str(fault)


def test_a_path_too_long_for_gpgs_sockets_is_told_before_anything_else_is_written(
    officer: Officer, place: Path
) -> None:
    fault = faults_of(place / ("x" * 90), answers_with(officer))
    assert "too long" in str(fault)
    assert fault.written == ()


HOSTILE = 'a"b\'c\\d#e\n[ca]\tkey=\x00\x1f\x7f\u0085\u2028\U0001f600 {day} %s \\u0041 """'


def test_hostile_names_come_back_unchanged(officer: Officer, place: Path) -> None:
    hostile = OfficerAnswers("hanako", HOSTILE, "officer@example.ac.jp", officer.key_file)
    institution = dataclasses.replace(answers_with(officer).institution, name=HOSTILE)
    config = load_config(
        prepared(place, answers_with(officer, officers=(hostile,), institution=institution)).config
    )
    found = load_register(config.register_dir).institutions["testkikan"]
    assert (found.name, found.officer("hanako").name) == (HOSTILE, HOSTILE)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_as_a_toml_string(text: str) -> None:
    assert tomllib.loads(f"x = {toml_string(text)}")["x"] == text


def test_text_that_is_not_utf8_is_a_fault_and_no_crash(officer: Officer, place: Path) -> None:
    assert "not UTF-8" in str(faults_of(place, answers_with(officer, name="\udc80")))


class Person:
    """Answers the questions that hold a given text, in order, and takes the default for all others."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, question: str, default: str | None) -> str:
        self.asked.append(question)
        for part, texts in self.answers.items():
            if part in question and texts:
                return texts.pop(0)
        assert default is not None, f"nobody told what to answer to {question!r}"
        return default


def a_person(officer: Officer, changes: dict[str, list[str]] | None = None) -> Person:
    answers = {
        "Mail address": ["bot@example.ac.jp"],
        "name as people": ["試験機関"],
        "O in cert": ["testkikan"],
        "L in cert": ["Chiyoda-ku"],
        "1: mail address": ["officer@example.ac.jp"],
        "1: name": ["登録 花子"],
        "1: file": [str(officer.key_file)],
    }
    return Person(answers | (changes or {}))


def test_the_fewest_answers_make_a_whole_setup_by_guessing_the_rest(officer: Officer, place: Path) -> None:
    answers = ask(a_person(officer))
    assert (answers.imap.host, answers.imap.port, answers.imap.user) == (
        "imap.example.ac.jp",
        993,
        "bot@example.ac.jp",
    )
    assert (answers.smtp.host, answers.smtp.port) == ("smtp.example.ac.jp", 465)
    assert answers.public_url == "https://ringi.example.ac.jp"
    assert answers.institution.id == "example"
    assert answers.institution.domains == answers.institution.applicant_domains == ("example.ac.jp",)
    assert answers.officers[0].id == "officer"
    assert answers.monitors == ("officer@example.ac.jp",)
    assert answers.ca == NewCa("testkikan CA", "p384")
    config = load_config(prepared(place, answers).config)
    assert load_register(config.register_dir).institutions["example"].officer("officer") is not None


def test_what_was_answered_of_the_imap_server_is_the_guess_for_the_smtp_server(officer: Officer) -> None:
    changes = {"IMAP: user": ["certs"], "IMAP: file that": ["/etc/pw"], "IMAP: file with": ["/etc/ca.pem"]}
    answers = ask(a_person(officer, changes))
    for server in (answers.imap, answers.smtp):
        assert (server.user, server.password_file, server.ca_file) == (
            "certs",
            Path("/etc/pw"),
            Path("/etc/ca.pem"),
        )
    changes = {"IMAP: file that": ["-"], "IMAP: command": ["get-token bot"]}
    answers = ask(a_person(officer, changes))
    assert (answers.smtp.password_file, answers.smtp.token_command) == (None, "get-token bot")


def test_an_answer_that_can_not_be_right_is_asked_again_with_the_reason(officer: Officer) -> None:
    changes = {
        "Mail address": ["nonsense", "bot@example.ac.jp"],
        "Name of this bot": ["稟議 ボット", "ringi.example.ac.jp"],
        "vetting": ["next spring", "2027-03-31"],
        "IMAP: port": ["70000", "1993"],
        "Its key": ["dsa", "rsa3072"],
        "1: file": ["/nowhere.asc", str(officer.key_file)],
    }
    person = a_person(officer, changes)
    answers = ask(person)
    assert (answers.address, answers.instance) == ("bot@example.ac.jp", "ringi.example.ac.jp")
    assert answers.institution.vetted_until == date(2027, 3, 31)
    assert answers.imap.port == 1993
    assert answers.ca == NewCa("testkikan CA", "rsa3072")
    assert "(that is no mail address) Mail address of the bot" in person.asked
    assert sum("there is no such file" in question for question in person.asked) == 1


def test_several_officers_oauth2_and_an_own_ca_can_be_answered(officer: Officer, tmp_path: Path) -> None:
    (tmp_path / "my.pem").write_text("")
    person = Person(
        {
            "Mail address": ["bot@example.ac.jp"],
            "SMTP: tls": ["starttls"],
            "SMTP: user": ["-"],
            "IMAP: file that": ["-"],
            "IMAP: command": ["get-token bot"],
            "as people": ["x"],
            "O in": ["testkikan"],
            "L in": ["Chiyoda-ku"],
            "Officer 1: mail": ["a@example.ac.jp"],
            "Officer 2: mail": ["b@example.ac.jp"],
            "Officer 1: name": ["A"],
            "Officer 2: name": ["B"],
            "public OpenPGP": [str(officer.key_file)] * 2,
            "Another": ["yes", "no"],
            "Key file": [str(tmp_path / "my.key")],
        }
    )
    answers = ask(person)
    assert [o.id for o in answers.officers] == ["a", "b"]
    assert answers.imap.token_command == "get-token bot"
    assert answers.imap.password_file is None
    assert (answers.smtp.port, answers.smtp.user) == (587, "")
    assert answers.ca == OwnCa(tmp_path / "my.key", tmp_path / "my.pem")


def test_flags_that_are_still_needed_are_told_all_at_once(tmp_path: Path) -> None:
    done = run_init(tmp_path / "bot", "--address", "bot@example.ac.jp", "--state", "Tokyo")
    told = " ".join(done.stderr.replace("│", " ").split())
    assert done.returncode == 2
    assert "--institution, --institution-name, --organization, --locality, --officer" in told


def test_a_desk_that_is_there_already_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    done = run_init(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path / 'config.toml'} exists already" in done.stderr


def run_init(directory: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot.cli", "init", str(directory), *flags]
    return subprocess.run(command, capture_output=True, text=True, input="", check=False)


def test_the_next_steps_name_the_command_so_that_a_shell_finds_it(officer: Officer, place: Path) -> None:
    called = "/opt/ringi/.venv/bin/ringi"
    code = f"import sys; sys.argv[0] = {called!r}; from bot.cli import main; main()"
    gpg = shutil.which("gpg")
    assert gpg
    done = subprocess.run(
        [sys.executable, "-c", code, "init", str(place), *needed_flags(officer)],
        env=os.environ | {"PATH": str(Path(gpg).parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("check", "run"):
        assert f"`{called} {command} --config {place}/config.toml" in done.stdout


def needed_flags(officer: Officer) -> list[str]:
    given = {
        "address": "bot@example.ac.jp",
        "institution": "testkikan",
        "institution-name": "試験機関",
        "organization": "testkikan",
        "state": "Tokyo",
        "locality": "Chiyoda-ku",
        "officer": f"hanako:花子:officer@example.ac.jp:{officer.key_file}",
    }
    return [text for flag, value in given.items() for text in (f"--{flag}", value)]


TOKEN = "/usr/local/bin/mail-token bot@example.ac.jp"
SERVERS = {
    "plain": (("imap.example.ac.jp", 993, "tls"), ("smtp.example.ac.jp", 465, "tls"), "mail.password", None),
    "gmail": (("imap.gmail.com", 993, "tls"), ("smtp.gmail.com", 465, "tls"), "mail.password", None),
    "microsoft365": (
        ("outlook.office365.com", 993, "tls"),
        ("smtp.office365.com", 587, "starttls"),
        None,
        TOKEN,
    ),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_a_known_mail_server_needs_no_host_no_port_and_no_login_to_be_named(
    kind: str, officer: Officer, place: Path
) -> None:
    done = run_init(place, *needed_flags(officer), "--server", kind)
    assert done.returncode == 0, done.stderr
    assert list(re.findall(r"^(\d)\. ", done.stdout, re.M)) == ["1", "2", "3"]
    config = load_config(place / "config.toml")
    imap, smtp, password, token = SERVERS[kind]
    for server, door in ((config.imap, imap), (config.smtp, smtp)):
        assert (server.host, server.port, server.security) == door
        assert server.password_file == (place / password if password else None)
        assert server.token_command == token
        assert (password and str(place / password) or token or "") in done.stdout
    assert config.imap.authserv_id == ("mx.google.com" if kind == "gmail" else None)


def test_a_kind_of_server_that_is_not_known_is_refused(officer: Officer, place: Path) -> None:
    done = run_init(place, *needed_flags(officer), "--server", "exchange")
    assert (done.returncode, "one of plain, gmail, microsoft365" in done.stderr) == (2, True)
    assert_nothing_was_written(place)


@pytest.mark.parametrize("kind", ["gmail", "microsoft365"])
def test_of_a_known_mail_server_only_the_login_is_asked(kind: str, officer: Officer, place: Path) -> None:
    person = a_person(officer, {"Mail server": [kind]})
    answers = ask(person)
    assert [question for question in person.asked if question.startswith(("IMAP", "SMTP"))] == []
    assert len([question for question in person.asked if "OAuth2" in question]) == 1
    imap, smtp, password, token = SERVERS[kind]
    assert (answers.imap.host, answers.imap.port, answers.imap.security) == imap
    assert (answers.smtp.host, answers.smtp.port, answers.smtp.security) == smtp
    assert answers.imap.password_file == (Path(password) if password else None)
    assert answers.smtp.token_command == token


def test_what_comes_next_stands_beside_the_keys_of_the_configuration(officer: Officer, place: Path) -> None:
    prepared(place, answers_with(officer))
    text = (place / "config.toml").read_text(encoding="utf-8")
    for comment in ("# Next: the holidays", "# Next: authserv_id"):
        assert comment in text
    holidays = next(line for line in text.splitlines() if line.startswith("# holidays = "))
    assert len(tomllib.loads(holidays.removeprefix("# "))["holidays"]) == 4
