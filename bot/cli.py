"""The command `ringi`. Each command loads only what it needs, so that `--help` is quick."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_backup import backup, restore
from bot.cli_bench import bench
from bot.cli_faults import fail, faults_told, load_config_at, open_judge_for, say, say_json
from bot.cli_init import init
from bot.cli_ledger import accept_ledger
from bot.cli_quarantine import quarantine_app
from bot.cli_tsv import tsv_app

if TYPE_CHECKING:
    pass

# without rich: to draw its boxes costs as much as all the rest of `--help`
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
)
journal_app = typer.Typer(no_args_is_help=True, help="The hash-chained record of everything that happened.")
app.add_typer(journal_app, name="journal")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(tsv_app, name="tsv")
app.command()(init)
app.command()(backup)
app.command()(restore)
app.command()(accept_ledger)
app.command()(bench)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="RINGI_CONFIG", help="The configuration file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of text.")]
_DEFAULT_CONFIG = Path("config.toml")


def main() -> None:
    """Entry point of the installed command."""
    app(prog_name="ringi")


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        say(f"ringi {version('ringi')}")
        raise typer.Exit


@app.callback()
def _ringi(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Say the version and end."),
    ] = False,
) -> None:
    """Ringi (稟議): certificates by mail, approved by signed replies."""


@app.command()
def run(config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """Serve until SIGTERM: mails in, certificates, mails out, and the download page. SIGHUP reloads the register."""
    service = _open_service(config)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        service.stop()

    def reload(_signal: int, _frame: FrameType | None) -> None:
        service.reload()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
    from bot.web.server import WebFault

    try:
        service.run()
    except WebFault as fault:
        fail(str(fault))


@app.command()
def once(config: ConfigPath = _DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Do one round: take the mails that wait, issue what is approved, send what is queued.

    Ends with 0 if all is well, 1 if the round could not be done whole, 3 if the desk lacks what it needs."""
    report = _open_service(config).once()
    if as_json:
        say_json(
            {
                "mails": report.mails,
                "certificates": report.certificates,
                "sent": report.sent,
                "revoked": report.revoked,
                "fault": report.fault,
                "troubles": report.troubles,
            }
        )
    else:
        say(f"{report.mails} mails, {report.certificates} certificates, {report.sent} mails sent")
    if report.fault:
        fail(report.fault)
    if report.troubles:
        fail(f"something is wrong: {', '.join(report.troubles)}; `ringi check` says what", code=3)


@app.command()
def signer(
    config: ConfigPath = _DEFAULT_CONFIG,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Serve the CA's key until SIGTERM, for a desk whose `signer.start` is false: run it as a user of its own.
    SIGHUP reloads the register."""
    from bot.logs import set_up_logging
    from bot.signer.process import FAULTS, run_signer

    if child:
        # whatever keeps it from starting is told to the desk that started it
        try:
            loaded = load_config_at(config)
            set_up_logging(loaded.log)
            run_signer(loaded, is_child=True)
        except FAULTS as fault:
            raise typer.Exit(1) from fault
        return
    loaded = load_config_at(config)
    set_up_logging(loaded.log)
    with faults_told():
        run_signer(loaded, is_child=False)


@app.command()
def explain(
    mails: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, metavar="MAIL.eml…")],
    at: Annotated[str | None, typer.Option(help="When it was received: 2026-11-22T09:00:00+09:00.")] = None,
    config: ConfigPath = _DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say what the bot would make of saved mails, and why, with no effect."""
    from bot.explain import explain_mail
    from bot.show import print_explanation

    judge = open_judge_for(config)
    moment = _parse_moment(at) if at else None
    for path in mails:
        with faults_told():
            explanation = explain_mail(judge, path, moment)
        if as_json:
            say_json(explanation.as_json())
        else:
            print_explanation(explanation)


@app.command()
def check(
    config: ConfigPath = _DEFAULT_CONFIG,
    probe: Annotated[
        bool, typer.Option(help="Send a signed mail to ourselves and compare the bytes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine every part and say what is wrong and how to mend it. Ends with 1 if anything is."""
    from bot.config import Log
    from bot.doctor.check import check as examine
    from bot.doctor.check import probe as send_probe
    from bot.logs import set_up_logging
    from bot.show import print_findings
    from bot.wiring import utc_now

    set_up_logging(Log(level="error", format="text"))
    findings = examine(config, now=utc_now())
    if probe and all(finding.ok for finding in findings if finding.part == "config"):
        findings = [*findings, *send_probe(config)]
    if as_json:
        say_json([{"part": f.part, "ok": f.ok, "what": f.what, "mend": f.mend} for f in findings])
    else:
        print_findings(findings)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
    stay: Annotated[
        bool, typer.Option(help="Keep everything up, to look at it with a mail program.")
    ] = False,
    smime: Annotated[
        bool, typer.Option("--smime", help="Sign by S/MIME, as is done anyway where gpg is missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play the manual's chapters 1-1 to 1-4 on an embedded mail world, with the real service."""
    from bot.demo.journey import play
    from bot.demo.transcript import Transcript
    from bot.wiring import utc_now

    place = folder or Path(f"ringi-demo-{utc_now():%Y%m%d-%H%M%S}")
    summary = play(place, say=Transcript(quiet=as_json), stay=stay, smime=smime)
    if as_json:
        say_json(summary.as_json())
    if not summary.ok:
        raise typer.Exit(1)


@journal_app.command("verify")
def verify_journal(
    config: ConfigPath = _DEFAULT_CONFIG,
    against: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A saved mail of ours, or a sheet; may be repeated."),
    ] = None,
) -> None:
    """Check that no entry of the journal was changed, removed or moved, also against what others saved."""
    from bot.evidence.witness import judge_journal, read_witness
    from bot.explain import open_for_reading
    from store.transaction import reading

    witnesses = [read_witness(path.name, path.read_bytes()) for path in against or ()]
    with faults_told(), reading(open_for_reading(load_config_at(config))) as session:
        verdict = judge_journal(session, witnesses)
    for agreed in verdict.agreed:
        say(agreed)
    if verdict.faults:
        fail("\n".join(f"the journal does not hold: {fault}" for fault in verdict.faults))
    say(f"the journal holds; its head is {verdict.chain.head}")


@app.command()
def evidence(
    serial: Annotated[str, typer.Argument(help="The certificate's serial number, decimal.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="DIR")],
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Write a folder that proves one certificate offline: sh DIR/verify.sh."""
    from bot.evidence.folder import write_folder
    from bot.evidence.gather import EvidenceFault, gather, read_issuers
    from bot.explain import open_for_reading
    from store.transaction import reading

    loaded = load_config_at(config)
    try:
        with faults_told(), reading(open_for_reading(loaded)) as session:
            sums = write_folder(folder, gather(session, serial, read_issuers(loaded.ca)))
    except EvidenceFault as fault:
        fail(str(fault))
    say(f"{folder}: sh {folder}/verify.sh checks it; the SHA-256 of its SHA256SUMS is {sums}")


def _open_service(path: Path):  # type: ignore[no-untyped-def]
    from bot.logs import set_up_logging
    from bot.signer.child import launch_signer

    config = load_config_at(path)
    set_up_logging(config.log)
    # the signer starts while we load the rest
    child = launch_signer(config, path)
    from bot.schedule import Service
    from bot.wiring import open_office

    with faults_told():
        return Service(open_office(config, path, child))


def _parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at takes a time like 2026-11-22T09:00:00+09:00, not {text!r}", code=2)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


if __name__ == "__main__":
    main()
