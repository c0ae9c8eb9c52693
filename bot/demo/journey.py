"""The rehearsal of the manual's chapter 1-1: set the stage, play every step, judge, say where everything lies."""

import contextlib
import imaplib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.demo import staying, steps, steps_after
from bot.demo.checks import NotHeld
from bot.demo.keeping import write_journal, write_summary
from bot.demo.service import RINGI, ServiceFault
from bot.demo.stage import Stage, set_stage
from bot.demo.transcript import Step, Summary, Transcript
from bot.demo.world import WorldFault
from bot.setup.prepare import SetupFault

_PATIENCE = 60.0
_GPG_MISSING = """\
gpg is missing; officers sign with it, and the service checks with it. To get it:
  Debian, Ubuntu:  sudo apt-get install gnupg
  Fedora, RHEL:    sudo dnf install gnupg2
  macOS:           brew install gnupg
  Windows:         winget install GnuPG.GnuPG   (the service itself runs on Linux and macOS, or in WSL)"""
# what a step may meet when the service does not do what it should; anything else is a fault of the rehearsal
_WORLD = (
    NotHeld,
    TimeoutError,
    OSError,
    imaplib.IMAP4.error,
    subprocess.SubprocessError,
    ServiceFault,
    LookupError,
)


@dataclass(frozen=True)
class Act:
    """A step as the programme names it. `is_needed`: the steps after it make no sense without it."""

    manual: str
    title: str
    play: Callable[[Stage], str]
    is_needed: bool = True


PROGRAMME = (
    Act("1-1-1", "利用管理者による鍵ペア・CSRの作成: a key and a CSR", steps.make_key_and_csr),
    Act("1-1-2", "TSVファイル作成: a TSV with a fault is mailed", steps.mail_faulty_tsv),
    Act(
        "1-1-4 step 7", "エラー: SEQ, 処理結果, エラー内容, with cause and remedy", steps.read_refusal, False
    ),
    Act("1-1-2", "TSVファイル作成: the corrected TSV is mailed", steps.mail_corrected_tsv),
    Act("1-1-2", "the application is received and gets a number", steps.read_receipt),
    Act("1-1-3", "受け取り及び審査: the approval request with its sheet", steps.read_approval_request),
    Act("1-1-4", "an unsigned approval changes nothing", steps.approve_without_signature, False),
    Act("1-1-4 step 6", "アップロード: the signed approval", steps.approve_signed),
    Act("1-1-4 step 6", "サーバ証明書発行受付通知: issued, the one-time URL", steps_after.read_download_mail),
    Act("1-1", "a mail scanner's visit is no download", steps_after.let_a_scanner_look, False),
    Act("1-1", "サーバ証明書のダウンロード: the certificate is fetched", steps_after.fetch_certificate),
    Act("1-1-5", "サーバ証明書取得通知: the signed notice", steps_after.read_download_notice, False),
    Act("1-1", "a second download is refused", steps_after.download_again, False),
    Act("1-1-4", "a replayed approval changes nothing", steps_after.replay_approval, False),
    Act("1-1", "the certificate verifies, judged from outside", steps_after.verify_certificate, False),
    Act("1-1", "the journal's chain holds", steps_after.verify_journal, False),
    Act("1-1", "no alarm, no mail left over", steps_after.look_for_alarms, False),
)
LAST_ACT = Act("1-1", "the service ends in order", steps_after.stop_service, False)


def play(
    folder: Path,
    *,
    say: Transcript,
    stay: bool = False,
    patience: float = _PATIENCE,
    ringi: Sequence[str] = RINGI,
) -> Summary:
    """Play everything below `folder`, which is made and must not hold anything yet.

    `patience`: seconds to wait for any one answer. `ringi`: how to call the program that is rehearsed.
    """
    folder = folder.absolute()
    say.title("Ringi: rehearsal of manual 1-1, サーバ証明書新規発行", _explain(folder))
    if obstacle := _find_obstacle(folder):
        return _give_up(folder, obstacle, say)
    with _signals():
        try:
            with set_stage(folder, say, patience, ringi) as stage:
                summary = _play_on(stage, stay)
        except (WorldFault, SetupFault, ServiceFault) as fault:
            summary = _give_up(folder, str(fault), say)
        except KeyboardInterrupt:
            say.say(f"\nInterrupted, and everything is taken down. What there was by then lies in {folder}")
            raise
    write_summary(summary.as_json(), folder / "summary.json")
    say.end(summary, _places(folder))
    return summary


def _explain(folder: Path) -> list[str]:
    return [
        "An embedded mail world (real IMAP and SMTP on loopback), the real service as its own process,",
        "an applicant and an officer with mail programs. Every mail is kept in",
        f"  {folder}",
    ]


def _find_obstacle(folder: Path) -> str | None:
    if shutil.which("gpg") is None:
        return _GPG_MISSING
    if folder.exists() and any(folder.iterdir()):
        return f"{folder} holds something already; name another with --folder"
    return None


def _give_up(folder: Path, fault: str, say: Transcript) -> Summary:
    step = Step("the stage is set", "1-1", False, fault)
    say.chapter(step.manual, step.step)
    say.result(step)
    return Summary(folder, (step,))


def _play_on(stage: Stage, stay: bool) -> Summary:
    played: list[Step] = []
    for act in PROGRAMME:
        step = _perform(stage, act)
        played.append(step)
        if act.is_needed and not step.held:
            played += [_skip(stage, left) for left in PROGRAMME[len(played) :]]
            break
    if stay:
        staying.stay(stage)
    played.append(_perform(stage, LAST_ACT))
    # once more and in any case: steps may have failed, people may have stayed and done more
    write_journal(stage.config.store.url, stage.folder / "journal.jsonl")
    return Summary(stage.folder, tuple(played))


def _perform(stage: Stage, act: Act) -> Step:
    stage.say.chapter(act.manual, act.title)
    start = time.monotonic()
    try:
        held, detail = True, act.play(stage)
    except _WORLD as fault:
        held, detail = False, str(fault) or type(fault).__name__
        if not stage.service.is_running():
            detail += f" (the service has ended; see {stage.folder / 'service.log'})"
    step = Step(act.title, act.manual, held, detail, time.monotonic() - start)
    stage.say.result(step)
    return step


def _skip(stage: Stage, act: Act) -> Step:
    step = Step(act.title, act.manual, False, "not reached")
    stage.say.chapter(act.manual, act.title)
    stage.say.result(step)
    return step


def _places(folder: Path) -> list[tuple[str, str]]:
    return [
        ("Everything is in", str(folder)),
        (
            "mails",
            f"{len(list(folder.glob('*.eml')))} files, 01-….eml onwards, in the order they were delivered",
        ),
        ("certificate", "certificate.pem, its chain.pem (with the root), its private-key.pem"),
        ("journal", "journal.jsonl, one entry a line"),
        ("summary", "summary.json; the service's log is service.log, its own directory service/"),
    ]


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM ends a rehearsal as Ctrl-C does, everything is taken down; a peer that hangs up ends nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, signal.default_int_handler),
        signal.SIGPIPE: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
