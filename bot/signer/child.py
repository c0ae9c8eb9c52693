"""The signer as a child of the desk: started with it, started again when it dies, gone with it.

Of two desks on one machine the first has the child, and the second asks the same; when the first is gone, its child is
too, and the second starts its own (docs/decisions/0022).
"""

import atexit
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from bot.ca.protocol import CaFault
from bot.config import Config
from bot.signer.client import Call, SignerClient, socket_call

log = structlog.get_logger()
_END_SECONDS = 10.0
_LONGEST_PAUSE = 60.0
_PATIENCE = 5.0


class SignerChild:
    """Its standard input is a pipe that we hold: however we end, it sees that and ends too.

    `program`: how ringi is called; None: as we were ourselves, so that a rehearsal's clock is the signer's too.
    """

    def __init__(
        self, config: Path, socket: Path, seconds: float, program: Sequence[str] | None = None
    ) -> None:
        called = [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv[1:])]]
        self._command = [*(program or called), "signer", "--child", "--config", str(config)]
        self._socket = socket
        self._ask = socket_call(socket, seconds)
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._not_before = 0.0
        atexit.register(self.stop)

    @property
    def call(self) -> Call:
        return self._call

    def start(self) -> None:
        """Wait until it answers. CaFault says why it does not: what it said itself."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Begin to start it; nothing happens where another desk's answers."""
        if self._is_another_there():
            log.info("signer", shared=str(self._socket))
            return
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait_until_ready(self) -> None:
        """The second half of `start`."""
        if self._process is None:
            return
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self._process.stdout.close()
        fault = _fault_in(line)
        if fault is not None:
            self.stop()
            # another desk may have been faster
            if not self._is_another_there():
                raise CaFault(fault, temporary=False)

    def _is_another_there(self) -> bool:
        """Whether another desk's signer answers at our socket."""
        try:
            SignerClient.open(socket_call(self._socket, _PATIENCE))
        except CaFault:
            return False
        return True

    def reload(self) -> None:
        """Have it read the register again."""
        if self._process is not None and self._lives():
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _call(self, question: bytes) -> bytes:
        if not self._lives():
            try:
                # another desk's: a question may be asked twice
                return self._ask(question)
            except CaFault:
                self._revive()
        answer = self._ask(question)
        self._failures = 0
        return answer

    def _lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _revive(self) -> None:
        """Start it again; not at once where it keeps dying."""
        if time.monotonic() < self._not_before:
            raise CaFault("the signer keeps ending; it is started again in a moment", temporary=True)
        status = self._process.returncode if self._process else None
        log.error("signer gone", status=status, failures=self._failures)
        self.stop()
        pause = min(2.0**self._failures, _LONGEST_PAUSE) - 1
        self._failures += 1
        try:
            self.start()
        except CaFault as fault:
            # it did start once with this configuration: somebody may be at work on it
            raise CaFault(str(fault), temporary=True) from fault
        finally:
            self._not_before = time.monotonic() + pause


def launch_signer(config: Config, file: Path) -> SignerChild | None:
    """Begin to start our own signer, where that is for us to do. The sooner, the better: it takes about as long as all
    that the desk has to do until it needs it. `file`: where `config` was read from."""
    if not config.signer.start:
        return None
    child = SignerChild(file, config.signer.socket, config.signer.timeout)
    child.launch()
    return child


def _fault_in(line: bytes) -> str | None:
    """None for the word that it is ready."""
    try:
        said = json.loads(line)
    except ValueError:
        return "the signer ended before it was ready: see its log"
    return None if said == {"ready": True} else str(said.get("fault"))
