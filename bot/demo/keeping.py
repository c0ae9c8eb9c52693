"""The folder that stays after a rehearsal: every mail numbered, the certificate, the chain, the journal."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store import journal
from store.transaction import open_store, reading


@dataclass
class MailFolder:
    """Keeps each delivered mail as `NN-from-to-to.eml`. `names`: address -> the word for it in file names."""

    folder: Path
    names: Mapping[str, str]
    _kept: list[tuple[str, bytes, Path]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, sender: str, recipient: str, raw: bytes) -> None:
        """A witness for `World`; called in its thread."""
        way = f"{self.names.get(sender, 'unknown')}-to-{self.names.get(recipient, 'unknown')}"
        with self._lock:
            path = self.folder / f"{len(self._kept) + 1:02}-{way}.eml"
            path.write_bytes(raw)
            self._kept.append((recipient, raw, path))

    def label(self, recipient: str, raw: bytes, words: str) -> str:
        """Say in the name of the newest such mail's file what it is; returns the name.

        `raw`: as it lies in the INBOX, or as it was sent, without the server's trace lines.
        """
        with self._lock:
            for index, (reader, kept, path) in reversed(list(enumerate(self._kept))):
                if reader == recipient and kept.endswith(raw):
                    named = path.rename(path.with_name(f"{path.name[:2]}-{_way(path)}-{words}.eml"))
                    self._kept[index] = (reader, kept, named)
                    return named.name
        raise KeyError(f"no such mail to {recipient}")


def _way(path: Path) -> str:
    """`bot-to-officer`, of a file that may have its words already."""
    return "-".join(path.stem.split("-")[1:4])


def write_journal(store_url: str, path: Path) -> tuple[int, str | None]:
    """One JSON object a line; returns how many, and the chain's first fault (None: it holds)."""
    engine = open_store(store_url)
    try:
        with reading(engine) as session:
            lines = [
                {
                    "seq": entry.seq,
                    "at": entry.at.isoformat(),
                    "event": entry.event,
                    "facts": json.loads(entry.facts),
                    "previous": entry.previous,
                    "hash": entry.hash,
                }
                for entry in journal.entries(session)
            ]
            fault = journal.first_fault(session)
    finally:
        engine.dispose()
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return len(lines), fault


def write_summary(summary: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
