"""`ringi quarantine`: what a person does about mails that were set aside."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_faults import fail, say, say_json

if TYPE_CHECKING:
    from bot.quarantine import Quarantine, Seen

quarantine_app = typer.Typer(no_args_is_help=True, help="Mails that were set aside for a person to look at.")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="RINGI_CONFIG", help="The configuration file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of text.")]
Id = Annotated[int, typer.Argument(help="The number that `list` shows.")]
_DEFAULT_CONFIG = Path("config.toml")


@quarantine_app.command("list")
def list_mails(config: ConfigPath = _DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show what was set aside and why."""
    with _open(config) as quarantine:
        found, fault = quarantine.list()
    if as_json:
        say_json([seen.as_json() for seen in found])
    else:
        for seen in found:
            say(_line(seen))
        if not found:
            say("nothing is set aside")
    if fault:
        typer.echo(f"what lies on the mail server could not be looked at: {fault}", err=True)


@quarantine_app.command()
def show(
    id: Id,
    raw: Annotated[Path | None, typer.Option(help="Write the mail's bytes to this new file.")] = None,
    config: ConfigPath = _DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show one mail; with --raw save it, for `ringi explain`."""
    with _open(config) as quarantine:
        seen, octets = quarantine.see(id)
    if raw is not None:
        try:
            with raw.open("xb") as file:
                file.write(octets)
        except OSError as error:
            fail(f"{raw}: {error.strerror}")
    if as_json:
        say_json(seen.as_json())
        return
    say(_line(seen))
    say(f"SHA-256 {seen.aside.raw_sha256 or '-'}, set aside {seen.aside.set_aside_at:%Y-%m-%d %H:%M} UTC")
    if seen.aside.error:
        say(f"what made us stumble: {seen.aside.error!r}")
    if raw is not None:
        say(f"{raw}: ringi explain {raw}")


@quarantine_app.command()
def retry(id: Id, config: ConfigPath = _DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Have the next round handle the mail as if it came now, once."""
    from bot.quarantine import operator
    from bot.wiring import utc_now

    with _open(config) as quarantine:
        quarantine.retry(id, operator(), utc_now())
    _told(id, "retry", "the next round handles it", as_json=as_json)


@quarantine_app.command()
def drop(id: Id, config: ConfigPath = _DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Give the mail up: nobody gets an answer, the journal says who dropped it, and it goes to the refused mails."""
    from bot.quarantine import operator
    from bot.wiring import utc_now

    with _open(config) as quarantine:
        unmoved = quarantine.drop(id, operator(), utc_now())
    _told(id, "drop", "dropped; the journal says by whom", as_json=as_json)
    if unmoved:
        typer.echo(f"it stays where it lies: {unmoved}", err=True)


@contextmanager
def _open(path: Path) -> Iterator["Quarantine"]:
    """The store that the service uses; it need not be stopped. What keeps the command from its work is told."""
    from sqlalchemy.exc import SQLAlchemyError

    from bot.config import Log, load_config
    from bot.explain import open_for_reading
    from bot.imap.fault import ImapFault
    from bot.logs import set_up_logging
    from bot.quarantine import Quarantine, QuarantineFault
    from bot.toml_file import TomlFault

    if not path.exists():
        fail(f"{path} does not exist; --config names another", code=2)
    set_up_logging(Log(level="error", format="text"))
    try:
        config = load_config(path)
        yield Quarantine(open_for_reading(config), config.imap)
    except TomlFault as refused:
        fail("\n".join(str(fault) for fault in refused.faults))
    except (ImapFault, QuarantineFault) as fault:
        fail(str(fault))
    except SQLAlchemyError as error:
        fail(f"the store can't be used: {str(error).splitlines()[0]}\n`ringi check` examines every part.")


def _line(seen: "Seen") -> str:
    aside = seen.aside
    size = f"{seen.size:,} bytes" if seen.size is not None else "not found"
    tries = f", {aside.attempts} attempts" if aside.attempts else ""
    begun = ", retry begun: retry again" if aside.is_released else ""
    who, about = seen.sender or "-", seen.subject or "-"
    return f"{aside.id}  {aside.received_at:%Y-%m-%d %H:%M} UTC  {aside.reason}{tries}{begun}  {size}  {who}  {about}"


def _told(id: int, done: str, words: str, *, as_json: bool) -> None:
    say(json.dumps({"id": id, "done": done}) if as_json else f"mail {id}: {words}")
