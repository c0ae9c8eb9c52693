"""Which process does what, where several work on one store (docs/decisions/0022)."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from handlers.incoming import MailKey
from store import leases
from store.leases import Holder
from store.transaction import is_shared, writing

REVOCATIONS = "revocations"
_MAIL = "mail "
MAIL_SECONDS = 120  # for the few mails that are taken at once
CA_SECONDS = 600  # for what the signer is asked


def mail_name(key: MailKey) -> str:
    place = sha256(f"{key.account}\0{key.folder}".encode()).hexdigest()[:16]
    return f"{_MAIL}{key.uidvalidity} {key.uid} {place}"


def application_name(number: str) -> str:
    return f"application {number}"


@dataclass(frozen=True)
class Shares:
    """What this process is at work on. On SQLite it has all of it: one process at a time has the round.

    A lease keeps others from doing the same work in vain. It is never what keeps a thing from being done twice: that
    is looked at again in the transaction that does it.
    """

    engine: Engine
    holder: Holder
    now: Callable[[], datetime]

    @property
    def are_divided(self) -> bool:
        return is_shared(self.engine)

    @contextmanager
    def taken(self, names: Collection[str], seconds: int) -> Iterator[set[str]]:
        """Those of `names` that are ours until the block's end."""
        if not self.are_divided:
            yield set(names)
            return
        mine = self._take(names, seconds) if names else set()
        try:
            yield mine
        finally:
            if mine:
                with writing(self.engine) as session:
                    leases.release_leases(session, mine, self.holder)

    def _take(self, names: Collection[str], seconds: int) -> set[str]:
        with writing(self.engine) as session:
            return leases.take_leases(session, names, self.holder, self.now(), seconds)

    def others_read_mails(self, session: Session) -> bool:
        """Whether another process has mails that came before, and that may say otherwise than time does."""
        return self.are_divided and leases.others_hold(session, _MAIL, self.holder, self.now())
