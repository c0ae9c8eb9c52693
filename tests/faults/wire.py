"""`make wire`: every byte of a whole round, in each direction of IMAP and SMTP, is the last one once.

`--every N`: inside the text of a mail only each N-th byte (default 16; 1 tries all of them, for hours).
`--tls N`: with TLS, where bytes mean less, each N-th byte of everything (default 40; 0: none).
`--only WORD`: streams whose name holds it. `--share 2/5`: of their points the second of five parts.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from bot.bench.servers.dovecot import start_dovecot
from bot.bench.servers.tls import make_tls
from tests.conftest import find_program
from tests.faults.wire_sweep import SPEAKERS, Tally, points, scenes, sweep
from tests.faults.wire_world import WireWorld, open_tls_world, open_world
from tests.servers.people import USERS
from tests.servers.postfix import MailServers, start_postfix

_AT_ONCE = 200  # points between two lines that tell how far it is


def main() -> None:
    parser = argparse.ArgumentParser(prog="make wire", description=__doc__)
    parser.add_argument("--every", type=int, default=16)
    parser.add_argument("--tls", type=int, default=40)
    parser.add_argument("--only", default="")
    parser.add_argument("--share", default="1/1")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tallies = []
    with _servers() as servers:
        with open_world(servers) as world:
            tallies += _sweep(world, "", asked.every, asked)
        if asked.tls:
            with open_tls_world(servers) as world:
                tallies += _sweep(world, " (TLS, Postfix)", asked.tls, asked)
    faults = [fault for tally in tallies for fault in tally.faults]
    _say("\n".join([*map(str, tallies), *faults[:50]]))
    sys.exit(bool(faults))


def _sweep(world: WireWorld, kind: str, every: int, asked: argparse.Namespace) -> Iterator[Tally]:
    part, parts = map(int, asked.share.split("/"))
    for scene, wire in scenes(world):
        for speaker in SPEAKERS:
            tally = Tally(f"{scene.name}, {wire} from the {speaker}{kind}")
            if asked.only not in tally.name:
                continue
            begin = time.monotonic()
            at = points(scene, wire, speaker, every)[:: every if world.is_tls else 1][part - 1 :: parts]
            for place in range(0, len(at), _AT_ONCE):
                sweep(world, scene, wire, speaker, at[place : place + _AT_ONCE], tally)
                _say(f"{tally}  of {len(at)}, {time.monotonic() - begin:.0f} s")
            yield tally


@contextmanager
def _servers() -> Iterator[MailServers]:
    with tempfile.TemporaryDirectory(prefix="rw", dir="/tmp") as place:
        directory = Path(place)
        directory.chmod(0o711)
        tls = make_tls(directory)
        dovecot = start_dovecot(
            directory / "d", dict(USERS), tls, program=find_program("dovecot") or "dovecot"
        )
        try:
            postfix = start_postfix(directory / "p", list(USERS), dovecot, tls)
            try:
                yield MailServers(dovecot, postfix)
            finally:
                postfix.stop()
        finally:
            dovecot.stop()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
