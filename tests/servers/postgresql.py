"""A real PostgreSQL on a free port of 127.0.0.1, below a short path. Runs as the caller, or, for root, as `mail`: the
program refuses root."""

import contextlib
import os
import pwd
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bot.bench.servers.running import Running, free_ports, with_new_ports

_UNPRIVILEGED = "mail"  # every Debian has this user
_START_SECONDS = 20
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
shared_buffers = 16MB
fsync = off
"""


@dataclass(frozen=True)
class PostgreSQL:
    """A running server, whose every user may do everything. `program`: the path of `postgres`."""

    directory: Path
    program: str
    port: int
    running: Running

    def make_database(self, name: str, template: str = "template0", icu_locale: str = "") -> str:
        """An empty one, or a copy; its URL for `store.url`. Text is sorted by code points, or as `icu_locale` does."""
        sorts = f" LOCALE_PROVIDER icu ICU_LOCALE '{icu_locale}'" if icu_locale else ""
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'{sorts}")
        return f"postgresql://bot@127.0.0.1:{self.port}/{name}"

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        url = f"postgresql://bot@127.0.0.1:{self.port}/postgres"
        return psycopg.connect(url, autocommit=True, connect_timeout=10)

    def crash(self) -> None:
        """End without a checkpoint or a farewell, as a power failure would."""
        # each has a session of its own, and on a busy machine still answers a COMMIT before it sees that it is alone
        backends = self._backends()
        self.running.stop()
        for pid in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _backends(self) -> list[int]:
        postmaster = (self.directory / "data" / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [int(pid) for pid in children]

    def start(self) -> None:
        """After `crash`: it recovers from its log."""
        (self.directory / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.running.start([self.port])
        self.wait()

    def wait(self) -> None:
        """Until it answers: it listens before it can. Raises psycopg's error where it never does."""
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        self.running.stop()


def start_postgresql(directory: Path, program: str) -> PostgreSQL:
    """Make a cluster in `directory` and start it. Raises `ServerFault`."""
    directory.mkdir()
    user = None
    if os.geteuid() == 0:
        user = _UNPRIVILEGED
        os.chown(directory, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    data = directory / "data"
    # without flushing: of this cluster only what comes later may be asked to last
    command = [str(Path(program).with_name("initdb")), "-D", str(data), "-U", "bot", "-A", "trust", "-N"]
    subprocess.run(
        [*command, "-E", "UTF8", "--locale=C.UTF-8"],
        check=True, capture_output=True, cwd=directory, user=user,
        env={"PATH": os.environ["PATH"]}, extra_groups=[] if user else None,
    )  # fmt: skip
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS)
    return with_new_ports(lambda: _start(directory, program, user))


def _start(directory: Path, program: str, user: str | None) -> PostgreSQL:
    (port,) = free_ports(1)
    command = [program, "-D", str(directory / "data"), "-p", str(port)]
    running = Running(command, log=directory / "log", user=user)
    running.start([port])
    server = PostgreSQL(directory, program, port, running)
    server.wait()
    return server
