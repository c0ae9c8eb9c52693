"""A small disk of its own, so that it can really be full."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.required import do_without


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A tmpfs of that size, gone afterwards. Only root may mount one."""
    if os.geteuid() != 0:
        do_without("tmpfs", "only root may mount a file system")
    with tempfile.TemporaryDirectory(prefix="disk", dir="/tmp") as place:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "ringi-test", place]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            do_without("tmpfs", f"this machine mounts no tmpfs: {done.stderr.strip()}")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)
