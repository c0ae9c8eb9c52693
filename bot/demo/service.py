"""The real service as its own process: started, watched until it is ready, ended by SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.demo.service_with_clock import CLOCK_FILE

_POLL_SECONDS = 0.05
_ABANDON_SECONDS = 10.0
# the program itself, but for its clock
RINGI = (sys.executable, "-m", "bot.demo.service_with_clock")


class ServiceFault(Exception):
    """The service did not come up, or did not end as it should."""

    temporary = False


class Service:
    """`ringi run` on one configuration. Whatever it prints goes to `log`. `command`: how to call ringi.

    `clock_file`: for a command that starts it with the rehearsal's clock.
    """

    def __init__(
        self, config: Path, log: Path, command: Sequence[str], clock_file: Path | None = None
    ) -> None:
        self._command = [*command, "run", "--config", str(config)]
        self._log = log
        self._clock = {CLOCK_FILE: str(clock_file)} if clock_file else {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, patience: float) -> dict[str, Any]:
        """Wait for its `ready` event and return it; ServiceFault where it ends or takes over `patience` s."""
        with self._log.open("wb") as log:
            # a session of its own: Ctrl-C is for the rehearsal, which then ends the service in its own way
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._clock},
                start_new_session=True,
            )
        end = time.monotonic() + patience
        while (ready := self._find_ready()) is None:
            if self._process.poll() is not None:
                raise ServiceFault(f"ringi run ended with {self._process.returncode}: {self._last_line()}")
            if time.monotonic() > end:
                raise ServiceFault(f"ringi run was not ready after {patience:g} s: {self._last_line()}")
            time.sleep(_POLL_SECONDS)
        return ready

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServiceFault("the service was never started")
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wake(self) -> None:
        """SIGHUP: a round begins at once."""
        if self._process is None or self._process.poll() is not None:
            raise ServiceFault("the service has ended")
        self._process.send_signal(signal.SIGHUP)

    def stop(self, patience: float) -> int:
        """SIGTERM, and its exit status; killed where that takes longer than `patience` seconds (then -9)."""
        process = self._process
        if process is None:
            raise ServiceFault("the service was never started")
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def abandon(self) -> None:
        """Leave nothing running behind, however the rehearsal ended."""
        if self.is_running():
            self.stop(_ABANDON_SECONDS)

    def _find_ready(self) -> dict[str, Any] | None:
        for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("{") and '"ready"' in line:
                event = _read_event(line)
                if event.get("event") == "ready":
                    return event
        return None

    def _last_line(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


def _read_event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        # the rest of the line is still being written
        return {}
    return event if isinstance(event, dict) else {}
