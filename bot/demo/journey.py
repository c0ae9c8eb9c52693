"""The rehearsal of the manual's chapter 1: set the stage, play every step, judge, say where everything lies."""

import contextlib
import imaplib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot.demo import staying
from bot.demo.checks import NotHeld
from bot.demo.keeping import write_journal, write_summary
from bot.demo.programme import LAST_ACT, PROGRAMME, Act
from bot.demo.service import RINGI, ServiceFault
from bot.demo.stage import Stage, set_stage
from bot.demo.systems import has_gpg
from bot.demo.transcript import Step, Summary, Transcript
from bot.demo.world import WorldFault
from bot.setup.prepare import SetupFault

_PATIENCE = 60.0
_GPG_MISSING = """\
Played with S/MIME, for gpg is not here. To play with OpenPGP, get it:
  Debian, Ubuntu:  sudo apt-get install gnupg
  Fedora, RHEL:    sudo dnf install gnupg2
  macOS:           brew install gnupg
  Windows:         winget install GnuPG.GnuPG   (the service itself runs on Linux and macOS, or in WSL)"""
_GPG_FOUND = "Played with OpenPGP, for gpg is here; `--smime` plays with S/MIME."
_SMIME_WANTED = "Played with S/MIME, as you asked."
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


def play(
    folder: Path,
    *,
    say: Transcript,
    stay: bool = False,
    smime: bool = False,
    patience: float = _PATIENCE,
    ringi: Sequence[str] = RINGI,
    acts: Sequence[Act] = PROGRAMME,
) -> Summary:
    """Play everything below `folder`, which is made and must not hold anything yet.

    `smime`: by S/MIME, also where gpg is there.
    `patience`: seconds to wait for any one answer. `ringi`: how to call the program that is rehearsed. `acts`: some of
    the programme, each with what it needs before it.
    """
    folder = folder.absolute()
    say.title(
        "Ringi: rehearsal of manual 1-1 to 1-4, サーバ証明書の新規発行・更新・失効・情報取得",
        _explain(folder, smime=smime),
    )
    if obstacle := _find_obstacle(folder):
        return _give_up(folder, obstacle, say)
    with _signals():
        try:
            with set_stage(folder, say, patience, ringi, smime=smime or not has_gpg()) as stage:
                summary = _play_on(stage, acts, stay)
        except (WorldFault, SetupFault, ServiceFault) as fault:
            summary = _give_up(folder, str(fault), say)
        except KeyboardInterrupt:
            say.say(f"\nInterrupted, and everything is taken down. What there was by then lies in {folder}")
            raise
    write_summary(summary.as_json(), folder / "summary.json")
    say.end(summary, _places(folder))
    return summary


def _explain(folder: Path, *, smime: bool) -> list[str]:
    why = _SMIME_WANTED if smime else _GPG_FOUND if has_gpg() else _GPG_MISSING
    return [
        "An embedded mail world (real IMAP and SMTP on loopback), the real service as its own process,",
        "an applicant and an officer with mail programs. Every mail is kept in",
        f"  {folder}",
        *why.splitlines(),
    ]


def _find_obstacle(folder: Path) -> str | None:
    if folder.exists() and any(folder.iterdir()):
        return f"{folder} holds something already; name another with --folder"
    return None


def _give_up(folder: Path, fault: str, say: Transcript) -> Summary:
    step = Step("the stage is set", "1-1", False, fault)
    say.chapter(step.manual, step.step)
    say.result(step)
    return Summary(folder, (step,))


def _play_on(stage: Stage, acts: Sequence[Act], stay: bool) -> Summary:
    played: list[Step] = []
    for act in acts:
        step = _perform(stage, act)
        played.append(step)
        if act.is_needed and not step.held:
            played += [_skip(stage, left) for left in acts[len(played) :]]
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
        ("renewal", "renewed-certificate.pem, its renewed-private-key.pem; the CRL at the end is ca.crl"),
        ("journal", "journal.jsonl, one entry a line"),
        ("evidence", "evidence/ and renewed-evidence/: each proves one certificate by its verify.sh"),
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
