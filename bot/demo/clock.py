"""The rehearsal's clock: the real one plus what a file says, so that two weeks pass at once."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True)
class Clock:
    """`file` holds whole seconds; the service's process and the mail world read the same one."""

    file: Path

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC) + self.ahead()

    def ahead(self) -> timedelta:
        return timedelta(seconds=int(self.file.read_text(encoding="ascii")))

    def set_ahead(self, ahead: timedelta) -> None:
        """From now on; a reader sees the old file or the new one, never a half-written one."""
        new = self.file.with_suffix(".new")
        new.write_text(str(int(ahead.total_seconds())), encoding="ascii")
        new.replace(self.file)
