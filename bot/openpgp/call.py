"""One call of gpg: fixed arguments, a status pipe of its own, an empty environment, a time limit."""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bot.verified import VerifierFault

TIME_LIMIT = 30.0  # seconds; gpg needs 0.005
# of one mail: as long as it takes, all others wait
VERIFY_LIMIT = 10.0
# what takes longer to list is the machine's fault and no mail's
_LOOK_LIMIT = 5.0
_STATUS_LIMIT = 1 << 20  # bytes; a verification writes 1 kB

_QUIET = ("--no-options", "--batch", "--no-tty", "--no-verbose")
_OFFLINE = ("--no-auto-key-retrieve", "--disable-dirmngr")
_WEAK = ("--weak-digest", "SHA1", "--weak-digest", "RIPEMD160")


class GpgFault(VerifierFault):
    """gpg could not do its work, and no sender is to blame.

    Temporary: it ran out of time or of room. Else somebody must see to it: gpg is missing, its home unusable.
    """


class GpgStuck(GpgFault):
    """gpg began and came to no end of its own: out of time, ended by a signal, writing without end. Whether that lies
    in what it was given or in the machine, it can't say."""


@dataclass(frozen=True)
class GpgAnswer:
    """`exit`: 0 for success. `status`: what came through the status pipe. `said`: the end of stderr."""

    exit: int
    status: bytes
    output: bytes
    said: str


@dataclass(frozen=True)
class Gpg:
    """A gpg program and the home it works in. Every method raises GpgFault."""

    program: str
    home: Path

    def verify(self, signature: Path, signed: Path) -> GpgAnswer:
        """Verifies a detached signature."""
        return self.call(_WEAK, ("--verify", str(signature), str(signed)), limit=VERIFY_LIMIT)

    def verify_clearsigned(self, block: Path, output: Path) -> GpgAnswer:
        """Verifies a clearsigned block; gpg writes the text it has verified to `output`."""
        return self.call((*_WEAK, "--output", str(output)), ("--verify", str(block)), limit=VERIFY_LIMIT)

    def import_keys(self, file: Path) -> GpgAnswer:
        """Takes public keys into the ring; what SHA-1 alone binds to a key is left out."""
        # the agent would outlive the ring, and public keys do not need it
        return self.call((*_WEAK, "--no-autostart"), ("--import", str(file)))

    def list_keys(self, *, in_hurry: bool = False) -> GpgAnswer:
        """`output`: the ring in gpg's colon format (its doc/DETAILS). `in_hurry`: for a look whether gpg works."""
        limit = _LOOK_LIMIT if in_hurry else TIME_LIMIT
        return self.call((*_WEAK, "--no-autostart"), ("--with-colons", "--list-keys"), limit=limit)

    def sign(self, key: str, passphrase: str | None, message: Path, signature: Path) -> GpgAnswer:
        """Writes an armored detached SHA-256 signature by the key with this fingerprint."""
        # loopback: gpg must never ask on a screen
        options = ["--pinentry-mode", "loopback", "--local-user", key, "--digest-algo", "SHA256", "--armor"]
        stdin = b""
        if passphrase is not None:
            options += ["--passphrase-fd", "0"]
            stdin = passphrase.encode() + b"\n"
        return self.call((*options, "--output", str(signature)), ("--detach-sign", str(message)), stdin=stdin)

    def call(
        self, options: Sequence[str], command: Sequence[str], *, stdin: bytes = b"", limit: float = TIME_LIMIT
    ) -> GpgAnswer:
        """Runs gpg once, for `limit` seconds at most (threats PGP1). `stdin`: a passphrase."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
            reading, writing = os.pipe()
            base = [self.program, *_QUIET, *_OFFLINE, "--homedir", str(self.home)]
            try:
                process = subprocess.Popen(
                    [*base, *options, "--status-fd", str(writing), *command],
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=said,
                    pass_fds=(writing,),
                    env=_environment(self.home),
                    start_new_session=True,
                )
            except OSError as error:
                os.close(reading)
                raise _start_fault(self.program, error) from error
            finally:
                # only gpg may hold this end, else the end of its status never comes
                os.close(writing)
            with process:
                status = _collect(process, stdin, reading, limit)
            if process.returncode < 0:
                raise GpgStuck(f"gpg was ended by signal {-process.returncode}", temporary=True)
            return GpgAnswer(process.returncode, status, _written(output), _tail(said))


@contextmanager
def private_files(**contents: bytes) -> Iterator[Path]:
    """A directory that only we may read, with these files in it; gone afterwards."""
    try:
        with tempfile.TemporaryDirectory(prefix="ringi-gpg-") as name:
            for file, content in contents.items():
                Path(name, file).write_bytes(content)
            yield Path(name)
    except OSError as error:
        raise GpgFault(f"no room for gpg's files: {error.strerror}", temporary=True) from error


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C"}


def _start_fault(gpg: str, error: OSError) -> GpgFault:
    missing = isinstance(error, FileNotFoundError | PermissionError)
    hint = "; is GnuPG installed (apt-get install gnupg)?" if missing else ""
    return GpgFault(f"gpg cannot be started ({gpg}): {error.strerror}{hint}", temporary=not missing)


def _collect(process: subprocess.Popen[bytes], stdin: bytes, reading: int, limit: float) -> bytes:
    """What gpg writes to its status pipe until it ends; when it does not end, it is killed."""
    deadline = time.monotonic() + limit
    try:
        _send(process.stdin, stdin)
        status = _read_to_end(reading, deadline)
        process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise GpgStuck(f"gpg did not end within {limit:g} seconds", temporary=True) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        os.close(reading)
    return status


def _send(pipe: IO[bytes] | None, content: bytes) -> None:
    assert pipe is not None
    try:
        pipe.write(content)
        pipe.close()
    except BrokenPipeError:
        # gpg ended without reading it; its exit code says more
        pass


def _read_to_end(descriptor: int, deadline: float) -> bytes:
    collected = bytearray()
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
        block = os.read(descriptor, 65536)
        if not block:
            return bytes(collected)
        collected += block
        if len(collected) > _STATUS_LIMIT:
            raise GpgStuck(f"gpg wrote more than {_STATUS_LIMIT} bytes of status", temporary=True)
    raise TimeoutError


def _written(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _tail(file: IO[bytes]) -> str:
    return "; ".join(_written(file)[-500:].decode("utf-8", "replace").split("\n")).strip("; ")
