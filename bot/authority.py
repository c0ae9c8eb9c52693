"""The register and the officers' keys in force; a reload takes all of the new ones or keeps the old."""

from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Engine

from bot.config import Config
from bot.openpgp.keys import OfficerKeys
from bot.reading import Reader
from bot.register import load_register
from bot.toml_file import TomlFault
from handlers.rules.register import Register
from store import journal
from store.transaction import writing

log = structlog.get_logger()


class Authority:
    """Holds one Reader, swapped whole: a mail is judged by one state of the register, never by two."""

    def __init__(self, config: Config) -> None:
        """Raises TomlFault with every fault of the register and of the key files it names."""
        self._config = config
        self.reader = self._load()

    @property
    def register(self) -> Register:
        return self.reader.register

    def _load(self) -> Reader:
        directory: Path = self._config.register_dir
        register = load_register(directory)
        settings = self._config.openpgp
        keys = OfficerKeys.load(register, directory, settings.officers_home, settings.gpg)
        return Reader(register, keys, self._config.imap.authserv_id)

    def reload(self) -> bool:
        """Read the files again (SIGHUP). A bad file keeps the old register in force: False, and every fault logged."""
        try:
            self.reader = self._load()
        except TomlFault as refused:
            for fault in refused.faults:
                log.error("register refused", fault=str(fault))
            return False
        return True

    def note(self, engine: Engine, now: datetime) -> None:
        """Write into the journal which register is in force from now on."""
        institutions = {i.id: i.digest for i in self.register.institutions.values()}
        facts = {"register": self.register.digest, "institutions": institutions}
        with writing(engine) as session:
            journal.append(session, now, "register", facts)
        log.info("register", digest=self.register.digest, institutions=len(institutions))
