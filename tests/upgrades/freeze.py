"""`python -m tests.upgrades.freeze NAME`: a small store as this version of the program writes it, to be kept for ever.

Run it once for each release that changed the schema, with the code of that release, and commit the folder NAME beside
this file: `test_upgrade.py` brings every one of them to the newest schema.
"""

import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from bot.wiring import utc_now
from handlers.notices import Notice
from store import journal, outbox
from store.states import OutboxState
from store.tables import Outgoing
from store.transaction import reading, writing
from tests.evidence_world import EvidenceWorld, line, open_world
from tests.signers import OpenPGPSigner, openpgp_signer


@dataclass
class _Writing:
    """Queues what the desk would mail, in the place of `EvidenceWorld.queue`."""

    count: int = 0

    def queue(self, session: object, notices: Sequence[Notice], now: datetime) -> None:
        for notice in notices:
            self.count += 1
            outbox.enqueue(
                session,  # type: ignore[arg-type]
                recipient=notice.to,
                template=notice.letter.template,
                message_id=f"<{self.count}@desk.example.ac.jp>",
                number=notice.number,
                data=b"Subject: frozen\r\n\r\nfrozen\r\n",
                now=now,
            )


def _live(world: EvidenceWorld, suzuki: OpenPGPSigner) -> str:
    """One of each: issued, revoked, approved, waiting, declined; mails sent, being sent, waiting. The serial of one."""
    issued, gone, approved, declined, _waiting = (
        world.apply(line(fqdn=f"test{number}.example.ac.jp")) for number in range(1, 6)
    )
    world.approve(suzuki, issued)
    world.approve(suzuki, gone)
    serial = world.serial_of(issued)
    revocation = world.ask_revocation(world.serial_of(gone), "test2.example.ac.jp")
    world.approve(suzuki, revocation, f"失効承認\n\n> コード: {world.code(revocation)}\n")
    world.revoke()
    world.approve(suzuki, declined, f"却下: 所属が違います\n\n> コード: {world.code(declined)}\n")
    world.approve(suzuki, approved)
    with writing(world.judge.engine) as session:
        *sent, sending, _queued = session.scalars(select(Outgoing).order_by(Outgoing.id)).all()
        for row in (*sent, sending):
            row.state, row.attempts = OutboxState.SENDING, 1
        for row in sent:
            outbox.mark_sent(session, row.id, utc_now())
    return serial


def freeze(target: Path) -> None:
    with tempfile.TemporaryDirectory() as place, openpgp_signer() as suzuki:
        with open_world(Path(place) / "w", suzuki) as world:
            world.queue = _Writing().queue  # type: ignore[method-assign]
            serial = _live(world, suzuki)
            with reading(world.judge.engine) as session:
                head = journal.head(session)
            (target / "register").mkdir(parents=True)
            for file in (world.directory / "register").iterdir():
                shutil.copy(file, target / "register")
            (target / "ca.pem").write_bytes(world.ca.certificate.public_bytes(Encoding.PEM))
            facts = {"at": utc_now().isoformat(), "serial": serial, "head": head, "pin": suzuki.pin}
            (target / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
        with closing(sqlite3.connect(Path(place) / "w" / "ringi.db")) as store:
            (target / "store.sql").write_text("\n".join(store.iterdump()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    freeze(Path(__file__).parent / sys.argv[1])
