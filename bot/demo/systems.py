"""By which system of signatures the rehearsal is played: whose key the officer has, who judges the bot's mails."""

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bot.config import Config
from bot.demo.checks import verify_openpgp
from bot.demo.keys import export_key, import_key, make_key, stop_agent
from bot.demo.private import write_private
from bot.demo.seals import OpenPGPSeal, Seal
from bot.setup.answers import SmimeAnswers


class System(Protocol):
    """`judge`: who checks the bot's mails. `key_file`: what the officer hands in. `smime`: for the configuration."""

    name: str
    judge: str
    key_file: Path

    @property
    def smime(self) -> SmimeAnswers | None: ...
    @property
    def seal(self) -> Seal:
        """The officer's key."""
        ...

    def meet(self, config: Config) -> None:
        """The desk is set up: the officer's mail program gets to know the bot's key."""
        ...

    def verify(self, raw: bytes) -> None:
        """NotHeld unless the mail is signed by the bot, and rightly so."""
        ...

    def places(self, directory: Path) -> list[tuple[str, str]]:
        """What people need who look on with a mail program. `directory`: the service's own."""
        ...


@dataclass
class OpenPGP:
    """With gpg, on both sides."""

    key_file: Path
    seal: OpenPGPSeal
    name: str = "OpenPGP"
    judge: str = "gpg"
    smime: SmimeAnswers | None = None
    _bot: str = field(init=False)

    def meet(self, config: Config) -> None:
        assert config.openpgp
        import_key(self.seal.gpg_home, config.register_dir.parent / "bot-key.asc")
        self._bot = config.openpgp.fingerprint

    def verify(self, raw: bytes) -> None:
        verify_openpgp(raw, self.seal.gpg_home, self._bot)

    def places(self, directory: Path) -> list[tuple[str, str]]:
        secret = self.key_file.with_name("officer-secret-key.asc")
        return [
            ("  officer's key", f"{secret} (Account Settings, End-To-End Encryption)"),
            ("  bot's key", f"{directory / 'bot-key.asc'} (to check what the bot signs)"),
        ]


def openpgp_system(stack: ExitStack, place: Path, officer: str) -> OpenPGP:
    """A fresh key in a short-named home; it is exported for a mail program that wants to look on."""
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringi-", ignore_cleanup_errors=True)))
    stack.callback(stop_agent, home)
    fingerprint = make_key(home, f"Hanako Toroku <{officer}>")
    key_file = place / "officer-key.asc"
    key_file.write_bytes(export_key(home, fingerprint))
    write_private(place / "officer-secret-key.asc", export_key(home, fingerprint, secret=True))
    return OpenPGP(key_file, OpenPGPSeal(home, fingerprint))


def has_gpg() -> bool:
    return shutil.which("gpg") is not None
