"""Where to cut: every byte of a whole round, in each direction of each wire, and what a sweep over them showed."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.demo.replies import signed_reply
from tests.faults.wire_world import Scene, Verdict, Wire, WireWorld
from tests.servers.relay import Cut, How, Speaker

_LITERAL = re.compile(rb"BODY\[\] \{(\d+)\}\r\n")
_DATA = re.compile(rb"DATA\r\n(.*?)\r\n\.\r\n", re.DOTALL)
_NEAR = 4  # bytes of a text at both its ends that are tried one by one
SPEAKERS: tuple[Speaker, Speaker] = ("client", "server")


@dataclass
class Tally:
    """What the trials of one stream showed."""

    name: str
    tried: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    died: int = 0
    repeated: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, point: object, verdict: Verdict) -> None:
        self.tried += 1
        self.lost += bool(verdict.lost)
        self.doubled += bool(verdict.doubled)
        self.stuck += verdict.is_stuck
        self.died += bool(verdict.died)
        self.repeated += verdict.repeats
        if verdict.faults:
            self.faults.append(f"{self.name}, {point}: {verdict.faults}")

    def __str__(self) -> str:
        return (
            f"{self.name:42} tried {self.tried:6}  lost {self.lost}  doubled {self.doubled}  stuck {self.stuck}"
            f"  died {self.died}  repeated, the answer being lost {self.repeated}"
        )


def points(scene: Scene, wire: Wire, speaker: Speaker, every: int) -> list[int]:
    """Each number of bytes after which to cut; inside the text of a mail each `every`-th."""
    said = scene.said[wire][speaker]
    inside: set[int] = set()
    for begin, end in _texts(said):
        inside.update(range(begin + _NEAR, max(begin + _NEAR, end - _NEAR)))
    return [n for n in range(len(said) + 1) if n not in inside or n % every == 0]


def answers_to_data(scene: Scene) -> list[int]:
    """Where to cut so that a server has a mail and its answer is lost."""
    said = scene.said["smtp"]["server"]
    return [n for found in re.finditer(rb"250 taken\r\n", said) for n in range(found.start(), found.end())]


def how(point: int) -> How:
    """An orderly end and a reset in turn."""
    return "reset" if point % 2 else "close"


def sweep(
    world: WireWorld, scene: Scene, wire: Wire, speaker: Speaker, at: list[int], tally: Tally | None = None
) -> Tally:
    tally = tally or Tally(f"{scene.name}, {wire} from the {speaker}")
    for point in at:
        tally.add(point, world.trial(scene, wire, Cut(speaker, point, how(point))))
    return tally


def sample(scene: Scene, wire: Wire, speaker: Speaker, count: int, seed: int) -> list[int]:
    return sorted(
        random.Random(f"{seed} {scene.name} {wire} {speaker}").sample(points(scene, wire, speaker, 64), count)
    )


def _texts(said: bytes) -> Iterator[tuple[int, int]]:
    for found in _LITERAL.finditer(said):
        yield found.end(), found.end() + int(found[1])
    for found in _DATA.finditer(said):
        yield found.span(1)


def scenes(world: WireWorld) -> list[tuple[Scene, Wire]]:
    """An application that comes in, and a decision that leads to a certificate; each with its answers out.

    Where the wire is SMTP's, the mails are in the outbox already: what came before would only cost time.
    """
    first = world.service.once()
    assert first.fault is None, first
    applied = _scenes(world, "application to answers", world.application("test1.example.ac.jp"))
    (request,) = world.mails_to(world.desk.officer.mailbox.user)
    officer = world.desk.officer
    approval = signed_reply(
        request, officer.mailbox.user, "承認", quote=True, style="thunderbird", seal=officer.seal
    )
    return applied + _scenes(world, "decision to certificate", approval)


def _scenes(world: WireWorld, name: str, mail: bytes) -> list[tuple[Scene, Wire]]:
    whole = world.scene(name, mail)
    world.trial(whole, "smtp", Cut("server", 0), rounds=1)
    queued = world.scene(f"{name}, in the outbox", None)
    return [(whole, "imap"), (queued, "smtp")]
