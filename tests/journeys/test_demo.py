"""`ringi demo`: the whole of manual 1 against the real service, and services with planted faults that it must catch."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from bot.demo.checks import NotHeld, verify_with_cryptography
from bot.demo.journey import play
from bot.demo.mailbox import Mailbox, parse, subject_of
from bot.demo.people import Applicant
from bot.demo.programme import LAST_ACT, PROGRAMME, Act
from bot.demo.steps import FQDN
from bot.demo.transcript import WIDTH, Summary, Transcript

ROOT = Path(__file__).parents[2]

# what stands before the call of the real program in a service with planted faults
NEVER_ISSUES = """
from bot.certify import Certifier
Certifier.certify_all = lambda self, is_wanted: 0
"""
QUIETLY_WRONG = """
import dataclasses, pathlib, sys
import store.journal
from handlers import download
from handlers.letters import officer
from handlers.rules.row_errors import RowError

RowError.cause = lambda self, language: ""

config = pathlib.Path(sys.argv[-1])
config.write_text(config.read_text().replace("repeat_minutes = 0", "repeat_minutes = 10"))

@dataclasses.dataclass(frozen=True)
class WrongSerial(officer.OfficerDownloaded):
    def __post_init__(self):
        object.__setattr__(self, "serial", self.serial + 1)

download.OfficerDownloaded = WrongSerial

entry_hash = store.journal.entry_hash
store.journal.entry_hash = lambda seq, at, event, facts, previous: entry_hash(
    seq, at, event, facts + ("x" if seq == 3 else ""), previous
)
"""
COUNTS_TOO_MUCH = """
from sqlalchemy import select
from handlers import answer, decide
from store.tables import Application, Decision

def count(ctx, mail):
    application = ctx.session.scalars(select(Application)).one()
    ctx.session.add(Decision(
        number=application.number, code=application.code, officer="hanako", fingerprint="", verb="approve",
        rows="[1]", faultless_only=False, comment="", mail_sha256=application.mail_sha256,
        signed_sha256=mail.raw_sha256, status_sha256=application.mail_sha256, materials="{}",
        decided_at=ctx.now,
    ))

refuse, repeat = answer.answer_unsigned_decision, decide.answer_officer

def answer_unsigned_decision(mail, ctx):
    count(ctx, mail)
    return refuse(mail, ctx)

def answer_officer(who, reason, *rest, **named):
    if reason == "repeated":
        count(who.ctx, who.mail)
    return repeat(who, reason, *rest, **named)

decide.answer_officer = answer_officer
from handlers import dispatch
dispatch.HANDLERS = tuple(
    dispatch.Handler(h.name, h.takes, answer_unsigned_decision) if h.name == "unsigned decision" else h
    for h in dispatch.HANDLERS
)
"""
UNSIGNED_MAILS = """
from bot.compose.mail import Composer
build = Composer.__init__
Composer.__init__ = lambda self, desk, bot_name, signers: build(self, desk, bot_name, {})
"""
SIGNS_OTHER_BYTES = """
from bot.smime.sign import BotCertificate
sign = BotCertificate.sign_detached
BotCertificate.sign_detached = lambda self, data: sign(self, data + b"\\r\\n")
"""
QUIETLY_WRONG_LATER = """
import dataclasses
from bot.ca.local import LocalCa
from handlers import remind, revoke
from handlers.incoming import Attachment
from handlers.rules import inventory_tsv

sign = LocalCa.crl
LocalCa.crl = lambda self, revoked, **rest: sign(self, revoked[1:], **rest)

tell = remind.to_officers_of
remind.to_officers_of = lambda *rest: tell(*rest, (Attachment("old.tsv", "text/plain", b"a"),))

build = revoke.OfficerRevoked
revoke.OfficerRevoked = lambda number, dn, serial, reason: build(number, dn, serial, 3)

inventory_tsv._REVOKED = "6"
"""
REMINDS_AGAIN = """
import datetime
from handlers import renewed
from store.dues import DueKind, plan_due

plan = renewed.plan_replacement

def plan_twice(ctx, certificate):
    plan(ctx, certificate)
    plan_due(ctx.session, DueKind.REVOKE_OLD, certificate.serial, ctx.now + datetime.timedelta(days=14, hours=9))

renewed.plan_replacement = plan_twice
"""
REVOKES_ON_HEARSAY = """
from sqlalchemy import select
from store import signer_ledger as ledger

rows, count = ledger.revoked_rows, ledger.count_revoked

def first_of_two(session):
    found = session.scalars(select(ledger.SignedRow).order_by(ledger.SignedRow.not_before)).all()
    return found[0] if len(found) > 1 else None

def revoked_and_first(session, *rest):
    first = first_of_two(session)
    hearsay = [ledger.RevokedRow(serial=first.serial, reason=0, revoked_at=first.not_before)] if first else []
    return [*rows(session, *rest), *hearsay]

ledger.revoked_rows = revoked_and_first
ledger.count_revoked = lambda session: count(session) + bool(first_of_two(session))
"""


@pytest.fixture
def gpg(need: Callable[[str], str]) -> str:
    return need("gpg")


def rehearse_with(
    faults: str, tmp_path: Path, acts: Sequence[Act], patience: float = 30, *, smime: bool = False
) -> Summary:
    """Play against the real program with `faults` (Python) put before its start, and so before its signer's."""
    program = tmp_path / "faulty.py"
    ringi = (
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); exec(open({str(program)!r}).read())",
    )
    program.write_text(f"{faults}\nfrom bot.demo.service_with_clock import main\nmain()\n")
    say = Transcript(quiet=True)
    return play(tmp_path / "demo", say=say, patience=patience, ringi=ringi, smime=smime, acts=acts)


def acts_for(*words: str) -> tuple[Act, ...]:
    """The acts whose titles hold these words, and of the others what the last but one of them needs.

    The judges of the whole (chain, alarms, evidence) look at whatever was played.
    """
    named = {title_of(word) for word in words}
    last = max(n for n, act in enumerate(PROGRAMME) if act.title in named and act.manual != "1")
    return tuple(
        act for n, act in enumerate(PROGRAMME) if act.title in named or (act.is_needed and n <= last)
    )


def catch(
    faults: str,
    tmp_path: Path,
    *words: str,
    also: Sequence[str] = (),
    smime: bool = False,
    patience: float = 30,
) -> Summary:
    """These faults, which show at the acts whose titles hold `words` and at no other that is played. `also`: acts to
    play that must hold."""
    summary = rehearse_with(faults, tmp_path, acts_for(*words, *also), patience, smime=smime)
    assert not_held(summary) == {title_of(word) for word in words}, last_lines(tmp_path)
    return summary


def last_lines(tmp_path: Path) -> str:
    """What the service logged at the end: a step that failed otherwise than it should is told from it."""
    logs = sorted((tmp_path / "demo").rglob("*.log"))
    return "\n".join(line for log in logs for line in log.read_text(errors="replace").splitlines()[-60:])


def not_held(summary: Summary) -> set[str]:
    return {step.step for step in summary.steps if not step.held}


def detail_of(summary: Summary, words: str) -> str:
    (detail,) = (step.detail for step in summary.steps if step.step == title_of(words))
    return detail


def title_of(words: str) -> str:
    """The one step whose title holds `words`."""
    (title,) = (act.title for act in (*PROGRAMME, LAST_ACT) if words in act.title)
    return title


def see_the_results(folder: Path, summary: dict[str, Any]) -> None:
    assert summary["ringi_demo"] == 1
    assert summary["folder"] == str(folder)
    assert [s["step"] for s in summary["steps"]] == [act.title for act in (*PROGRAMME, LAST_ACT)]
    assert [(s["step"], s["detail"]) for s in summary["steps"] if not s["held"]] == []
    sections = {*(f"1-1-{n}" for n in range(1, 6)), *(f"1-2-{n}" for n in range(1, 10))}
    sections |= {*(f"1-3-{n}" for n in range(1, 5)), "1-4-1"}
    assert sections <= {s["manual"] for s in summary["steps"]}
    see_the_mails(folder)
    see_the_journal(folder)
    assert (folder / "certificate.pem").read_bytes().count(b"BEGIN CERTIFICATE") == 1
    assert (
        b"PRIVATE KEY" not in (folder / "certificate.pem").read_bytes() + (folder / "chain.pem").read_bytes()
    )
    assert (folder / "private-key.pem").stat().st_mode & 0o077 == 0
    see_that_cryptography_agrees(folder)


def test_the_wheel_alone_plays_everything_by_smime(tmp_path: Path) -> None:
    """Installed outside the checkout, and the PATH is an empty directory: wheels are all there is."""
    folder, installed = tmp_path / "demo", install_wheel(tmp_path)
    (tmp_path / "bin").mkdir()
    summary, _ = demo(
        "--json", "--folder", str(folder), at=tmp_path, PATH=str(tmp_path / "bin"), PYTHONPATH=str(installed)
    )
    assert json.loads((folder / "summary.json").read_text()) == summary
    see_the_results(folder, summary)
    for path in folder.glob("*-officer-to-bot-signed-*.eml"):
        assert b"application/pkcs7-signature" in path.read_bytes()
    assert "openpgp" not in (folder / "service/config.toml").read_text()
    assert not (folder / "service/state/gnupg").exists()
    write = [
        sys.executable,
        "-m",
        "bot.cli",
        "tsv",
        "page",
        "tsv.html",
        "-c",
        str(folder / "service/config.toml"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    subprocess.run(write, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert "encoding-japanese" in (tmp_path / "tsv.html").read_text("utf-8")


def install_wheel(tmp_path: Path) -> Path:
    """Build the distribution, install it alone into a directory, and see that it is what runs there."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("ringi-*.whl")
    directory = tmp_path / "installed"
    install = ["install", "--quiet", "--no-index", "--no-deps", "--target", str(directory), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True)
    place = [
        sys.executable,
        "-c",
        "import bot, handlers, mail_templates, store; print(bot.__file__, store.__file__)",
    ]
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    told = subprocess.run(
        place, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert told.count(str(directory)) == 2
    return directory


def demo(*arguments: str, at: Path = ROOT, **environment: str) -> tuple[dict[str, Any], str]:
    """`ringi demo`, every step of which must hold: its summary, and what else it said."""
    command = [sys.executable, "-m", "bot.cli", "demo", *arguments]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=at, capture_output=True, check=False, timeout=300, env=environment)
    summary = json.loads(done.stdout)
    assert [(s["step"], s["detail"]) for s in summary["steps"] if not s["held"]] == []
    assert (done.returncode, summary["ok"]) == (0, True), done.stderr.decode()
    return summary, done.stderr.decode()


def see_that_cryptography_agrees(folder: Path) -> None:
    """The judge of a machine without openssl."""
    files = (folder / "certificate.pem", folder / "chain.pem")
    verify_with_cryptography(*files, folder / "service/ca/ca.pem", FQDN)
    with pytest.raises(NotHeld):
        verify_with_cryptography(*files, folder / "service/ca/ca.pem", "test2.example.ac.jp")
    with pytest.raises(NotHeld):
        verify_with_cryptography(*files, folder / "world/ca.pem", FQDN)


def see_the_mails(folder: Path) -> None:
    names = sorted(path.name for path in folder.glob("*.eml"))
    assert [int(name[:2]) for name in names] == list(range(1, len(names) + 1))
    ways = [re.fullmatch(r"\d\d-(\w+-to-\w+)-(.+)\.eml", name) for name in names]
    told = [f"{way[1]} {way[2]}" for way in ways if way]
    for expected in (
        "applicant-to-bot application-with-a-fault",
        "bot-to-applicant refusal",
        "applicant-to-bot application-corrected",
        "bot-to-applicant receipt",
        "bot-to-officer approval-request",
        "officer-to-bot unsigned-approval",
        "officer-to-bot signed-approval",
        "bot-to-applicant download-url",
        "bot-to-officer downloaded",
        "officer-to-bot replayed-approval",
        "applicant-to-bot renewal",
        "bot-to-officer renewal-notice",
        "bot-to-officer reminder",
        "applicant-to-bot replaced",
        "bot-to-officer revocation-request",
        "bot-to-applicant revoked",
        "bot-to-officer list",
        "bot-to-officer status",
    ):
        assert expected in told
    for name in names:
        assert parse((folder / name).read_bytes())["Message-ID"]


def see_the_journal(folder: Path) -> None:
    previous = "0" * 64
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        facts = json.dumps(line["facts"], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        at = line["at"].replace("+00:00", "Z")
        digest = hashlib.sha256(facts.encode()).hexdigest()
        text = "\n".join((str(line["seq"]), at, line["event"], digest, previous))
        assert line["previous"] == previous
        assert line["hash"] == hashlib.sha256(text.encode()).hexdigest()
        previous = line["hash"]


def test_a_service_that_never_issues_does_not_pass(gpg: str, tmp_path: Path) -> None:
    summary = rehearse_with(NEVER_ISSUES, tmp_path, PROGRAMME, patience=20)
    assert not summary.ok
    titles = [act.title for act in PROGRAMME]
    issued = titles.index(title_of("サーバ証明書発行受付通知"))
    assert not_held(summary) == set(titles[issued:])
    assert {step.detail for step in summary.steps[issued + 1 : -1]} == {"not reached"}
    assert (tmp_path / "demo/journal.jsonl").exists()


def test_quiet_faults_are_each_caught_at_their_step(gpg: str, tmp_path: Path) -> None:
    expected = (
        "処理結果",
        "サーバ証明書取得通知",
        "a second download",
        "the journal's chain",
        "proven offline",
    )
    catch(QUIETLY_WRONG, tmp_path, *expected, also=("the renewed certificate is issued",))


def test_quiet_faults_of_reminder_revocation_and_list_are_each_caught(gpg: str, tmp_path: Path) -> None:
    catch(
        QUIETLY_WRONG_LATER,
        tmp_path,
        "after two weeks the officer",
        "旧証明書の失効完了通知",
        "the CRL revokes the old",
        "失効完了メール",
        "the CRL revokes both",
        "both certificates are revoked",
        "proven offline",
    )


def test_a_second_reminder_is_caught(gpg: str, tmp_path: Path) -> None:
    told = catch(REMINDS_AGAIN, tmp_path, "置き換え完了通知", also=("after two weeks",))
    assert detail_of(told, "置き換え完了通知") == "the officer was reminded 2 times"


def test_a_list_that_revokes_without_an_officer_is_caught(gpg: str, tmp_path: Path) -> None:
    catch(REVOKES_ON_HEARSAY, tmp_path, "the report alone")


@pytest.mark.parametrize("scheme", ["OpenPGP", "S/MIME"])
def test_an_approval_that_counts_unsigned_or_twice_is_caught(
    scheme: str, need: Callable[[str], str], tmp_path: Path
) -> None:
    if scheme == "OpenPGP":
        need("gpg")
    expected = ("an unsigned approval", "a replayed approval")
    # longer than the bot waits for a server to tell of a mail: a notice or a round that is lost costs no more
    told = catch(COUNTS_TOO_MUCH, tmp_path, *expected, smime=scheme == "S/MIME", patience=100)
    for words in expected:
        assert detail_of(told, words).startswith("it changed something"), last_lines(tmp_path)


def test_a_service_that_does_not_sign_its_mails_does_not_pass(gpg: str, tmp_path: Path) -> None:
    told = catch(UNSIGNED_MAILS, tmp_path, "the approval request")
    assert detail_of(told, "the approval request") == "the mail is not signed"


def test_a_service_that_signs_what_it_does_not_send_does_not_pass_by_smime(tmp_path: Path) -> None:
    catch(SIGNS_OTHER_BYTES, tmp_path, "the approval request", smime=True)


def test_a_service_that_does_not_start_is_reported_with_its_last_words(gpg: str, tmp_path: Path) -> None:
    summary = rehearse_with("raise SystemExit('out of order')", tmp_path, PROGRAMME)
    assert [step.detail for step in summary.steps] == ["ringi run ended with 1: out of order"]
    assert not summary.ok


def test_it_says_by_which_system_it_plays_and_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    asked = told_of(tmp_path, smime=True)
    assert "Played with S/MIME, as you asked." in asked
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = told_of(tmp_path)
    assert "Played with S/MIME, for gpg is not here." in missing
    for line in (
        "apt-get install gnupg",
        "dnf install gnupg2",
        "brew install gnupg",
        "winget install GnuPG.GnuPG",
    ):
        assert line in missing


def told_of(folder: Path, *, smime: bool = False) -> str:
    """The transcript of a rehearsal that ends at once: its folder is not empty."""
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False)
    assert not play(folder, say=Transcript(console), smime=smime).ok
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_folder_with_something_in_it_is_left_alone(gpg: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    summary = play(tmp_path, say=Transcript(quiet=True))
    assert not summary.ok
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_every_step_of_the_manual_holds_and_all_stays_up_until_it_is_interrupted(
    gpg: str, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "bot.cli", "demo", "--stay", "--folder", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        assert demo.stdout
        told = b""
        while (line := demo.stdout.readline()) and b"3.  open the URL" not in line:
            told += line
        told += line
        text = told.decode()
        try:
            officer = log_in_as_told(text, "officer", tmp_path / "demo/world/ca.pem")
            assert any("サーバ証明書取得通知" in subject_of(raw) for raw in officer.all())
            page = re.search(r"the page is at (http\S+)\)", text)
            assert page
            assert Applicant(officer).visit(f"{page[1]}/healthz").status < 500
        finally:
            demo.send_signal(signal.SIGINT)
            rest, complaints = demo.communicate(timeout=60)
        assert (demo.returncode, complaints) == (0, b"")
    text += rest.decode()
    assert f"✓ {len(PROGRAMME) + 1} of {len(PROGRAMME) + 1} steps held" in text
    assert str(tmp_path / "demo") in text
    assert "\x1b" not in text
    assert all(cell_len(line) <= WIDTH for line in text.splitlines() if not re.search(r"https?://|/\w", line))
    with pytest.raises(ConnectionRefusedError):
        officer.all()
    see_the_results(folder, json.loads((folder / "summary.json").read_text()))


def test_an_interrupted_demo_says_where_it_stood(gpg: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot.cli", "demo", "--folder", str(tmp_path / "demo")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        assert demo.stdout
        while (line := demo.stdout.readline()) and b"1-1-1" not in line:
            pass
        demo.send_signal(signal.SIGINT)
        rest, complaints = demo.communicate(timeout=60)
    assert (demo.returncode, b"Traceback" in complaints) == (130, False)
    assert (
        f"Interrupted, and everything is taken down. What there was by then lies in {tmp_path / 'demo'}"
        in (rest.decode())
    )


def log_in_as_told(text: str, who: str, ca_file: Path) -> Mailbox:
    """The account as a person would take it from the transcript."""
    account = re.search(rf"{who} +(\S+), password (\S+)", text)
    servers = re.search(r"servers +IMAP (\S+):(\d+), SMTP (\S+):(\d+)", text)
    assert account
    assert servers
    user, password = account.groups()
    imap_host, imap_port, smtp_host, smtp_port = servers.groups()
    return Mailbox(imap_host, int(imap_port), smtp_host, int(smtp_port), user, password, ca_file)
