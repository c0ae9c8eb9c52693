"""Mails that were set aside, where they lie: looking at them, having them handled anew, giving them up.

The service may run meanwhile. A retry is two commits with the move between them: released, moved, closed. Cut off
anywhere, the mail stays in the list and the next retry goes on; brought back twice, its second copy is a duplicate.
"""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Engine

from bot.config import Imap
from bot.imap.folder import Folder, ImapFault, Look
from bot.mime.address import find_sender
from bot.mime.header import clean_line, read_headers
from bot.mime.limits import HEADER_BYTES, MAIL_BYTES, cut_to_limits
from store import inbox, quarantine
from store.quarantine import Aside
from store.transaction import reading, writing

# what a parser may raise about bytes that made us stumble before
_STUMBLES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class QuarantineFault(Exception):
    """What was asked can't be done with this mail; temporary where the same may work in a minute."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclass(frozen=True)
class Seen:
    """One mail as a person is told of it. `size` in bytes, None where the mail was not found."""

    aside: Aside
    sender: str | None
    subject: str | None
    size: int | None

    def as_json(self) -> dict[str, object]:
        aside = self.aside
        return {
            "id": aside.id,
            "received": aside.received_at.isoformat(),
            "set_aside": aside.set_aside_at.isoformat(),
            "sender": self.sender,
            "subject": self.subject,
            "reason": aside.reason,
            "attempts": aside.attempts,
            "error": aside.error,
            "size": self.size,
            "sha256": aside.raw_sha256 or None,
            "retry_begun": aside.is_released,
        }


@dataclass(frozen=True)
class Quarantine:
    """`settings`: the bot's account. Its folder is opened for what the store has no bytes of, and for moves."""

    engine: Engine
    settings: Imap

    def list(self) -> tuple[list[Seen], str | None]:
        """All of them, and why those whose bytes lie on the mail server could not be looked at (None: they were)."""
        with reading(self.engine) as session:
            asides = quarantine.asides(session)
        if all(aside.is_whole for aside in asides):
            return [self._see(aside, None) for aside in asides], None
        try:
            with self._open(self.settings.quarantine) as place:
                return [self._see(aside, place) for aside in asides], None
        except ImapFault as fault:
            return [self._see(aside, None) for aside in asides], str(fault)

    def see(self, id: int) -> tuple[Seen, bytes]:
        """One mail and its bytes. Raises QuarantineFault, ImapFault."""
        aside = self._aside(id)
        if (kept := self._kept(aside)) is not None:
            return self._see(aside, None), kept
        with self._open(self.settings.quarantine) as place:
            raw = place.read(aside)
            if raw is None:
                raise QuarantineFault(
                    f"mail {id} is neither in the store nor in {place.name}: somebody took it",
                    temporary=False,
                )
            return self._see(aside, place), raw

    def retry(self, id: int, by: str, now: datetime) -> None:
        """Have the next round handle it as if it came now. Raises QuarantineFault, ImapFault."""
        aside = self._aside(id)
        with self._open(self.settings.quarantine) as place:
            uid = place.find(aside)
            kept = self._kept(aside)
            if uid is None and kept is None and not self._is_back(aside):
                raise QuarantineFault(f"mail {id} is not in {place.name}: put it there first", temporary=True)
            with writing(self.engine) as session:
                if quarantine.aside(session, id) is None:
                    raise _nothing(id)
                quarantine.release(session, id, by, now)
            if uid is not None:
                place.move(uid, self.settings.folder)
            elif kept is not None and not self._is_back(aside):
                place.folder.append(self.settings.folder, kept)
        with writing(self.engine) as session:
            quarantine.close_retry(session, id)

    def drop(self, id: int, by: str, now: datetime) -> str | None:
        """Nobody answers it any more; it goes to the refused mails. Returns why it could not be moved, None if it was
        or was gone: what counts stands in the store. Raises QuarantineFault."""
        aside = self._aside(id)
        with writing(self.engine) as session:
            if quarantine.aside(session, id) is None:
                raise _nothing(id)
            quarantine.drop(session, id, by, now)
        try:
            with self._open(self.settings.quarantine) as place:
                uid = place.find(aside)
                if uid is not None:
                    place.move(uid, self.settings.refused)
        except (ImapFault, QuarantineFault) as fault:
            return str(fault)
        return None

    def _aside(self, id: int) -> Aside:
        with reading(self.engine) as session:
            found = quarantine.aside(session, id)
        if found is None:
            raise _nothing(id)
        return found

    def _is_back(self, aside: Aside) -> bool:
        """Whether an earlier retry has brought it back: it waits, or was handled."""
        if not aside.is_released or not aside.raw_sha256:
            return False
        with reading(self.engine) as session:
            if inbox.was_handled(session, aside.raw_sha256):
                return True
        with self._open(self.settings.folder) as place:
            return place.find(aside) is not None

    def _kept(self, aside: Aside) -> bytes | None:
        """The whole mail, where the store has it."""
        if not aside.is_whole:
            return None
        with reading(self.engine) as session:
            return inbox.blob(session, aside.raw_sha256)

    def _see(self, aside: Aside, place: "_Place | None") -> Seen:
        size, header = None, None
        if aside.kept is not None:
            with reading(self.engine) as session:
                header = inbox.blob(session, aside.raw_sha256)[:HEADER_BYTES]
        if aside.is_whole:
            size = aside.kept
        elif place is not None and (uid := place.find(aside)) is not None:
            size = place.looks[uid].size
            header = header or place.folder.fetch_header(uid, HEADER_BYTES)
        sender, subject = _read_header(header or b"")
        return Seen(aside, aside.sender or sender, subject, size)

    @contextmanager
    def _open(self, name: str) -> Iterator["_Place"]:
        with Folder(self.settings.model_copy(update={"folder": name})) as folder:
            yield _Place(name, folder, folder.looks(folder.uids()))


@dataclass(frozen=True)
class _Place:
    """An open folder, and what lay in it when it was opened."""

    name: str
    folder: Folder
    looks: dict[int, Look]

    def find(self, aside: Aside) -> int | None:
        """Its UID here: by its digest; where nothing was read of it, by its date, if no other has the same."""
        same_time = [uid for uid, look in self.looks.items() if look.received_at == aside.received_at]
        if not aside.raw_sha256:
            return same_time[0] if len(same_time) == 1 else None
        # a copy made by a person may have lost the date
        same_size = [uid for uid, look in self.looks.items() if look.size == aside.kept]
        for uid in dict.fromkeys([*same_time, *same_size]):
            read = self._read(uid)
            if read is not None and sha256(read).hexdigest() == aside.raw_sha256:
                return uid
        return None

    def read(self, aside: Aside) -> bytes | None:
        """The whole mail, whatever its size."""
        uid = self.find(aside)
        return self.folder.fetch(uid, self.looks[uid].size) if uid is not None else None

    def move(self, uid: int, to: str) -> None:
        """Raises QuarantineFault where the server keeps it here."""
        self.folder.move(uid, to)
        if uid in self.folder.uids():
            raise QuarantineFault(
                f"the mail server did not move the mail from {self.name} to {to}", temporary=True
            )

    def _read(self, uid: int) -> bytes | None:
        is_large = self.looks[uid].size > MAIL_BYTES
        return self.folder.fetch_header(uid, HEADER_BYTES) if is_large else self.folder.fetch(uid)


def operator() -> str:
    """Who gives the command, for the journal: the login name, with the one behind sudo."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {name}" if behind and behind != name else name


def _read_header(raw: bytes) -> tuple[str | None, str | None]:
    try:
        headers = read_headers(cut_to_limits(raw))
        return find_sender(headers), clean_line(headers.first("subject") or "") or None
    except _STUMBLES:
        return None, None


def _nothing(id: int) -> QuarantineFault:
    return QuarantineFault(
        f"no mail {id} is set aside; `ringi quarantine list` shows those that are", temporary=False
    )
