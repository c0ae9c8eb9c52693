"""The one alarm that can't be a row: nothing can be written. It goes out past the outbox, and a file remembers it."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from handlers.letters.monitor import MonitorTrouble
from handlers.notices import Notice
from store import troubles
from store.troubles import TroubleKind

log = structlog.get_logger()
# a locked database or one that starts again has passed by then
_PATIENCE = timedelta(minutes=1)
_BETWEEN_TRIES = 60.0  # seconds, of a mail that could not be sent


@dataclass
class Mark:
    """A file, empty because a full disk takes no more: it is there since the store can't be written, and is renamed
    when the monitors know. Where not even that can be made, this process's memory must do."""

    path: Path
    _since: datetime | None = None
    _is_told: bool = False

    def note(self, now: datetime) -> None:
        """It can't be written now."""
        self._since = self.since() or now
        self._is_told = self.is_told()
        if not self.path.exists() and not self._told_path.exists():
            try:
                self.path.touch(mode=0o600)
                os.utime(self.path, (self._since.timestamp(),) * 2)
            except OSError as error:
                log.warning("unmarked", file=str(self.path), error=error.strerror)

    def since(self) -> datetime | None:
        """None: all is well."""
        for path in (self._told_path, self.path):
            try:
                return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
            except OSError:
                continue
        return self._since

    def is_told(self) -> bool:
        return self._is_told or self._told_path.exists()

    def tell(self) -> None:
        self._is_told = True
        try:
            self.path.rename(self._told_path)
        except OSError as error:
            log.warning("unmarked", file=str(self.path), error=error.strerror)

    def clear(self) -> None:
        self._since, self._is_told = None, False
        for path in (self.path, self._told_path):
            path.unlink(missing_ok=True)

    @property
    def _told_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.told")


@dataclass
class Emergency:
    """`about`: the store, without its password. `send`: mails to the monitors at once; why not, or None."""

    mark: Mark
    about: str
    monitors: Sequence[str]
    now: Callable[[], datetime]
    send: Callable[[Sequence[Notice]], str | None]
    _reason: str = ""
    _tried: float | None = field(default=None)

    def failed(self, reason: str) -> None:
        """The store could not be written. Told once, when it has lasted: by this process or by one before it."""
        self._reason = reason
        now = self.now()
        self.mark.note(now)
        since = self.mark.since() or now
        is_young = timedelta(0) <= now - since < _PATIENCE
        is_tried = self._tried is not None and time.monotonic() - self._tried < _BETWEEN_TRIES
        if is_young or is_tried or self.mark.is_told():
            return
        self._tried = time.monotonic()
        letter = MonitorTrouble(TroubleKind.STORE, self.about, reason, since)
        fault = self.send([Notice(monitor, "both", letter) for monitor in self.monitors])
        log.error("trouble", kind=TroubleKind.STORE, about=self.about, step="told", unsent=fault)
        if fault is None:
            self.mark.tell()

    def is_over(self) -> bool:
        """Whether it can be written again, and that is not in the store yet. Asked after a round that wrote."""
        return self.mark.since() is not None

    def hand_over(self, session: Session) -> None:
        """Make it a row like any other trouble, if the monitors know of it: what follows is `handlers.trouble`'s."""
        since = self.mark.since()
        if since is not None and self.mark.is_told():
            row = troubles.begin(session, TroubleKind.STORE, self.about, since, self._reason)
            row.told_at = since

    def forget(self) -> None:
        """After the row is committed: a crash before this finds it there."""
        self.mark.clear()
        self._tried = None
