"""`ringi backup` and `ringi restore`: one file with all that the desk remembers, and a desk made of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_faults import fail, say, say_json

if TYPE_CHECKING:
    from bot.backup.restore import Restored

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="RINGI_CONFIG", help="The configuration file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of text.")]
_DEFAULT_CONFIG = Path("config.toml")


def backup(
    file: Annotated[Path, typer.Argument(help="A new file, tar.")],
    config: ConfigPath = _DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Copy store, ledger, register and configuration into one file, while the service runs. No key and no passphrase
    is in it. Ends with 1 if the journal in it does not verify."""
    from bot.backup.make import make_backup
    from bot.backup.manifest import BackupFault
    from bot.config import load_config
    from bot.quarantine import operator
    from bot.toml_file import TomlFault
    from bot.wiring import utc_now

    if not config.exists():
        fail(f"{config} does not exist; --config names another", code=2)
    try:
        manifest = make_backup(load_config(config), config, file, operator(), utc_now())
    except TomlFault as refused:
        fail("\n".join(str(fault) for fault in refused.faults))
    except BackupFault as fault:
        fail(str(fault))
    if as_json:
        say(manifest.model_dump_json())
    else:
        found = manifest.journal
        say(f"{file}: {len(manifest.files)} files; {found.entries} journal entries, head {found.head}")
        say("Keep it as safe as the store. Not in it, keep them apart:")
        for words in manifest.left_out:
            say(f"  {words}")
    if manifest.journal.fault:
        fail(f"the backup is made, but its journal does not hold: {manifest.journal.fault}")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="DIR")],
    hold_mails: Annotated[
        bool, typer.Option("--hold-mails", help="Send none of the mails that waited at the backup.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a desk of a backup. The old one must never run again: both would answer the same mails."""
    from bot.backup.manifest import BackupFault
    from bot.backup.restore import restore as restore_to
    from bot.quarantine import operator
    from bot.wiring import utc_now

    try:
        restored = restore_to(file, folder, operator(), utc_now(), hold_mails=hold_mails)
    except BackupFault as fault:
        fail(str(fault))
    if as_json:
        say_json(_as_json(restored))
    else:
        _tell(restored, folder, hold_mails=hold_mails)


def _as_json(restored: "Restored") -> dict[str, object]:
    return {
        "made_at": restored.manifest.made_at.isoformat(),
        "head": restored.manifest.journal.head,
        "unsure": [
            {"recipient": one.recipient, "template": one.template, "number": one.number, "message_id": one.id}
            for one in restored.unsure
        ],
        "elsewhere": list(restored.elsewhere),
        "left_out": list(restored.manifest.left_out),
    }


def _tell(restored: "Restored", folder: Path, *, hold_mails: bool) -> None:
    manifest = restored.manifest
    say(
        f"{folder} is the desk of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC; every file is as it was backed up."
    )
    if restored.unsure:
        say("These mails are held back:" if hold_mails else "These mails go out, perhaps for a second time:")
    for one in restored.unsure:
        say(f"  {one.recipient}  {one.template}  {one.number or '-'}")
    say("Before it runs:")
    say("  stop the old desk for good; if its ledger is left, put it in the place of this one: it knows more")
    for words in manifest.left_out:
        say(f"  put back {words}")
    for name in restored.elsewhere:
        say(f"  {name} lay outside the desk: put it to its place")
    say(f"  ringi check -c {folder / Path(manifest.config).name}")
    say(
        "  what came after the backup is in the folders of done and refused mails: docs/operations.md, Restoring"
    )
