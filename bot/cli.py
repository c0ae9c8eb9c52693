"""The command `ringi`. Each command loads only what it needs, so that `--help` is quick."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bot.cli_init import init

if TYPE_CHECKING:
    from bot.config import Config
    from bot.wiring import Judge

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
journal_app = typer.Typer(no_args_is_help=True, help="The hash-chained record of everything that happened.")
app.add_typer(journal_app, name="journal")
app.command()(init)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="RINGI_CONFIG", help="The configuration file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of text.")]
_DEFAULT_CONFIG = Path("config.toml")


def main() -> None:
    """Entry point of the installed command."""
    app(prog_name="ringi")


@app.callback()
def _ringi() -> None:
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
    service.run()


@app.command()
def once(config: ConfigPath = _DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Do one round: take the mails that wait, issue what is approved, send what is queued."""
    report = _open_service(config).once()
    if as_json:
        _print_json(
            {
                "mails": report.mails,
                "certificates": report.certificates,
                "sent": report.sent,
                "revoked": report.revoked,
                "fault": report.fault,
            }
        )
    else:
        typer.echo(f"{report.mails} mails, {report.certificates} certificates, {report.sent} mails sent")
    if report.fault:
        _fail(report.fault)


@app.command("check-tsv")
def check_tsv(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    kind: Annotated[str, typer.Option(help="issue, renew or revoke.")],
    institution: Annotated[str, typer.Option(help="Its id in the register.")],
    config: ConfigPath = _DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Check a TSV file as the service would, with no effect. Ends with 1 if a row has an error."""
    from bot.explain import check_file
    from bot.show import print_file_report
    from store.states import Kind

    judge = _open_judge(config)
    found = judge.authority.register.institutions.get(institution)
    if found is None:
        known = ", ".join(judge.authority.register.institutions)
        _fail(f"no institution {institution!r} in the register; there are: {known}", code=2)
    if kind not in set(Kind):
        _fail(f"--kind takes issue, renew or revoke, not {kind!r}", code=2)
    with _faults_told():
        report = check_file(judge, file, Kind(kind), found)
    if as_json:
        _print_json(report.as_json())
    else:
        print_file_report(report)
    if not report.ok:
        raise typer.Exit(1)


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

    judge = _open_judge(config)
    moment = _parse_moment(at) if at else None
    for path in mails:
        with _faults_told():
            explanation = explain_mail(judge, path, moment)
        if as_json:
            _print_json(explanation.as_json())
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
        _print_json([{"part": f.part, "ok": f.ok, "what": f.what, "mend": f.mend} for f in findings])
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
    as_json: AsJson = False,
) -> None:
    """Play the manual's chapters 1-1 to 1-4 on an embedded mail world, with the real service."""
    from bot.demo.journey import play
    from bot.demo.transcript import Transcript
    from bot.wiring import utc_now

    place = folder or Path(f"ringi-demo-{utc_now():%Y%m%d-%H%M%S}")
    summary = play(place, say=Transcript(quiet=as_json), stay=stay)
    if as_json:
        _print_json(summary.as_json())
    if not summary.ok:
        raise typer.Exit(1)


@journal_app.command("verify")
def verify_journal(config: ConfigPath = _DEFAULT_CONFIG) -> None:
    """Check that no entry of the journal was changed, removed or moved."""
    from bot.explain import open_for_reading
    from store import journal
    from store.transaction import reading

    with _faults_told(), reading(open_for_reading(_load_config(config))) as session:
        fault, head = journal.first_fault(session), journal.head(session)
    if fault:
        _fail(f"the journal does not hold: {fault}")
    typer.echo(f"the journal holds; its head is {head}")


def _open_service(path: Path):  # type: ignore[no-untyped-def]
    from bot.logs import set_up_logging
    from bot.schedule import Service
    from bot.wiring import open_office

    config = _load_config(path)
    set_up_logging(config.log)
    with _faults_told():
        return Service(open_office(config))


def _open_judge(path: Path) -> "Judge":
    from bot.explain import open_for_reading
    from bot.wiring import open_judge

    config = _load_config(path)
    with _faults_told():
        return open_judge(config, open_for_reading(config))


@contextmanager
def _faults_told() -> Iterator[None]:
    """What keeps a command from its work is told in a line, and not by a traceback."""
    from sqlalchemy.exc import SQLAlchemyError

    from bot.ca.protocol import CaFault
    from bot.config import SecretFault
    from bot.openpgp.call import GpgFault
    from bot.toml_file import TomlFault

    try:
        yield
    except TomlFault as refused:
        _fail("\n".join(str(fault) for fault in refused.faults))
    except (CaFault, SecretFault, GpgFault) as fault:
        _fail(f"{fault}\n`ringi check` examines every part.")
    except SQLAlchemyError as error:
        _fail(f"the store can't be used: {str(error).splitlines()[0]}\n`ringi check` examines every part.")


def _load_config(path: Path) -> "Config":
    from bot.config import load_config

    if not path.exists():
        _fail(f"{path} does not exist; `ringi init` makes one, --config names another", code=2)
    with _faults_told():
        return load_config(path)


def _parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _fail(f"--at takes a time like 2026-11-22T09:00:00+09:00, not {text!r}", code=2)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
