"""A seeded sample of `make wire`, and faults put into the code to see that the sweep would find them."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.orm import Session

from bot import intake, smtp
from bot.imap.folder import Folder
from bot.smtp import Outcome
from store import outbox
from store.states import OutboxState
from store.tables import Outgoing
from tests.faults.wire_sweep import SPEAKERS, answers_to_data, sample, scenes, sweep
from tests.faults.wire_world import Scene, Wire, WireWorld, open_tls_world, open_world
from tests.servers.postfix import MailServers
from tests.servers.relay import Cut

pytest_plugins = ("tests.servers.fixtures",)
_SEED = 20261129


@pytest.fixture
def world(mail_servers: MailServers, need: Callable[[str], str]) -> Iterator[WireWorld]:
    need("gpg")
    with open_world(mail_servers) as opened:
        yield opened


def test_a_wire_cut_anywhere_loses_and_doubles_nothing(world: WireWorld) -> None:
    for scene, wire in scenes(world):
        for speaker in SPEAKERS:
            tally = sweep(world, scene, wire, speaker, sample(scene, wire, speaker, 3, _SEED))
            assert not tally.faults
        if wire == "smtp":
            tally = sweep(world, scene, wire, "server", answers_to_data(scene)[::8])
            assert not tally.faults
            assert tally.repeated > 0


def test_a_wire_with_TLS_cut_anywhere_loses_and_doubles_nothing(
    mail_servers: MailServers, need: Callable[[str], str]
) -> None:
    need("gpg")
    with open_tls_world(mail_servers) as world:
        for scene, wire in scenes(world)[:2]:
            for speaker in SPEAKERS:
                assert not sweep(world, scene, wire, speaker, sample(scene, wire, speaker, 3, _SEED)).faults


# -- the same with faults put into the code


def _lost_is_failed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(smtp, "_refused_data", lambda error: Outcome(OutboxState.FAILED, str(error)))


def _lost_is_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(smtp, "_refused_data", lambda error: Outcome(OutboxState.SENT))


def _moved_before_commit(patch: pytest.MonkeyPatch) -> None:
    read = intake._fetch

    def read_and_move(folder: Folder, uid: int, look: object) -> bytes | None:
        raw = read(folder, uid, look)  # type: ignore[arg-type]
        folder.move(uid, "Done")
        return raw

    patch.setattr(intake, "_fetch", read_and_move)


def _sent_is_not_marked(patch: pytest.MonkeyPatch) -> None:
    def mark(session: Session, id: int, now: object) -> Outgoing:
        outgoing = session.get_one(Outgoing, id)
        outgoing.state = OutboxState.QUEUED if outgoing.attempts == 1 else OutboxState.SENT
        return outgoing

    patch.setattr(outbox, "mark_sent", mark)


def _new_bytes_for_a_repeat(patch: pytest.MonkeyPatch) -> None:
    begin = outbox.begin

    def change(session: Session, id: int, now: object) -> Outgoing | None:
        outgoing = begin(session, id, now)  # type: ignore[arg-type]
        if outgoing and outgoing.attempts > 1:
            session.expunge(outgoing)
            outgoing.data = outgoing.data.replace(b"Message-ID: <", b"Message-ID: <again-")
        return outgoing

    patch.setattr(outbox, "begin", change)


def _never_filed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(intake.Intake, "_move", lambda *_: None)


_PLANTED = [
    (_lost_is_failed, "smtp", "answer"),
    (_lost_is_sent, "smtp", "text"),
    (_sent_is_not_marked, "smtp", "answer"),
    (_new_bytes_for_a_repeat, "smtp", "answer"),
    (_moved_before_commit, "imap", "after the move"),
    (_never_filed, "imap", "after the move"),
]


def test_a_fault_in_the_code_is_found(world: WireWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    by_wire: dict[Wire, Scene] = {wire: scene for scene, wire in scenes(world)[:2]}
    cuts = {
        "answer": Cut("server", answers_to_data(by_wire["smtp"])[0]),
        "text": Cut("client", by_wire["smtp"].said["smtp"]["client"].index(b"DATA\r\n") + 500),
        "after the move": Cut("client", by_wire["imap"].said["imap"]["client"].index(b"UID MOVE") + 17),
    }
    for plant, wire, where in _PLANTED:
        assert not world.trial(by_wire[wire], wire, cuts[where]).faults, f"{plant.__name__}: not planted yet"
        with monkeypatch.context() as patch:
            plant(patch)
            assert world.trial(by_wire[wire], wire, cuts[where]).faults, plant.__name__
