"""The register and the officers' keys in force; a reload takes all of the new ones or keeps the old."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.blocked_keys import read_blocked_keys
from bot.certificate_ends import read_certificate_ends
from bot.config import Config
from bot.evidence.kept import keep_register_files
from bot.reading import Reader, open_reader
from bot.register import RegisterFault, load_register, shortage_fault
from bot.toml_file import TomlFault
from handlers.rules.key_ends import OfficerKey, Shortage, find_shortage, officer_keys
from handlers.rules.register import Institution, Register
from store import journal
from store.transaction import writing

log = structlog.get_logger()


@dataclass(frozen=True)
class InForce:
    """One state of the register, the keys by which it is served, and the public keys that nobody may have."""

    reader: Reader
    officer_keys: tuple[OfficerKey, ...]
    blocked_keys: frozenset[str]

    def shortages(self, now: datetime) -> list[Shortage]:
        """The institutions that nobody can approve for, their keys being lapsed, revoked or not yet in force."""
        institutions = self.reader.register.institutions.values()
        found = [find_shortage(institution, self.officer_keys, now) for institution in institutions]
        return [shortage for shortage in found if shortage]


class Authority:
    """Holds one state, swapped whole: a mail is judged by one state of the register, never by two.

    A change of an institution's file that leaves nobody to approve is refused. Time that does the same is not: the
    file stays as it was when it was taken, the other institutions work on, and the monitors hear of it
    (docs/decisions/0013).
    """

    def __init__(
        self, config: Config, clock: Callable[[], datetime], known: Mapping[str, str] | None = None
    ) -> None:
        """Raises TomlFault with every fault of the register and of the key files it names.

        `known`: institution -> digest of the file that was last in force; None: only look, refuse no shortage.
        """
        self._config = config
        self._clock = clock
        self._in_force = self._load()
        if known is not None:
            self._refuse_shortages(
                self._in_force, lambda institution: known.get(institution.id) == institution.digest
            )

    @property
    def reader(self) -> Reader:
        return self._in_force.reader

    @property
    def register(self) -> Register:
        return self.reader.register

    @property
    def officer_keys(self) -> tuple[OfficerKey, ...]:
        return self._in_force.officer_keys

    @property
    def blocked_keys(self) -> frozenset[str]:
        return self._in_force.blocked_keys

    def _load(self) -> InForce:
        directory: Path = self._config.register_dir
        register = load_register(directory, self._config.schemes)
        reader = open_reader(self._config, register)
        states = reader.openpgp.states if reader.openpgp else ()
        states = (*states, *read_certificate_ends(register, directory))
        path = self._config.blocked_keys
        blocked = read_blocked_keys(path) if path else frozenset()
        return InForce(reader, officer_keys(register, states, self._config.utc_offset_hours), blocked)

    def _refuse_shortages(self, new: InForce, is_excused: Callable[[Institution], bool]) -> None:
        faults, register = [], new.reader.register
        for shortage in new.shortages(self._clock()):
            institution = register.institutions[shortage.institution]
            if is_excused(institution):
                log.error("nobody can approve", institution=institution.id, able=list(shortage.able))
            else:
                faults.append(shortage_fault(self._config.register_dir, institution, shortage))
        if faults:
            raise RegisterFault(faults)

    def _was_short_or_is_unchanged(self, institution: Institution) -> bool:
        old = self.register.institutions.get(institution.id)
        if old is None:
            return False
        return old.digest == institution.digest or bool(find_shortage(old, self.officer_keys, self._clock()))

    def reload(self) -> bool:
        """Read the files again (SIGHUP). A bad file keeps the old register in force: False, and every fault logged."""
        try:
            new = self._load()
            self._refuse_shortages(new, self._was_short_or_is_unchanged)
        except TomlFault as refused:
            for fault in refused.faults:
                log.error("register refused", fault=str(fault))
            return False
        self._in_force = new
        return True

    def note(self, engine: Engine, now: datetime) -> None:
        """Write into the journal which register is in force from now on, and keep its files as they are."""
        institutions = {i.id: i.digest for i in self.register.institutions.values()}
        with writing(engine) as session:
            keys = keep_register_files(session, self.register, self._config.register_dir)
            facts = {"register": self.register.digest, "institutions": institutions, "keys": keys}
            journal.append(session, now, "register", facts)
        log.info("register", digest=self.register.digest, institutions=len(institutions))


def last_in_force(session: Session) -> dict[str, str]:
    """What `note` wrote last: institution -> digest of its file; {} before the first start."""
    entry = journal.newest(session, "register")
    return dict(json.loads(entry.facts)["institutions"]) if entry else {}
