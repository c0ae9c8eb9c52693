"""Files that only their owner may read."""

from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
