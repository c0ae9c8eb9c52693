"""AP4: officers decide, change their minds and repeat themselves in any order, and the process dies anywhere: exactly
one issuance, and never one that the policy does not carry.

The oracle sees the mails only: what was signed, in which order, and whether the desk was on hold then.
"""

import itertools
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, event, select

from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.rules.reasons import Reason
from handlers.rules.register import Policy, Step
from store import journal
from store.signer_ledger import SignedRow, open_ledger
from store.states import EntryState
from store.tables import Application, Certificate, Entry
from store.transaction import open_store, reading
from tests.applications import APPLICANT, TESTKIKAN, an_officer, open_world, signed, tsv_line
from tests.bot.test_certify import certifier
from tests.revocations import RevocationDesk, open_ca

ROWS = (1, 2)
_FINGERPRINTS = {"suzuki": "5" * 40, "tanaka": "7" * 40, "sato": "8" * 40, "yamada": "9" * 40}
_ROLES = {
    "suzuki": ("checker",),
    "tanaka": ("checker", "head"),
    "sato": ("head",),
    "yamada": ("checker", "head"),
}
POLICIES = {
    "one": Policy(),
    "two": Policy(name="two", approvals=2),
    "three": Policy(name="three", approvals=3),
    "steps": Policy(name="steps", steps=(Step(role="checker"), Step(role="head"))),
    "long steps": Policy(name="long-steps", steps=(Step(role="checker", approvals=2), Step(role="head"))),
}
_GOING_ON = (EntryState.APPROVED, EntryState.SIGNING, EntryState.ISSUED)


class Crash(BaseException):
    """The process is gone. No code of ours catches it."""


@dataclass
class Fuse:
    """Kills the process at the n-th statement or commit of a store; None: never."""

    left: int | None = None

    def burn(self, *_: Any, **__: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                self.left = None
                raise Crash

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self.burn)
        event.listen(engine, "commit", self.burn)


@dataclass
class Spoken:
    """One mail: who, what, which rows. `counts`: it was first read when the desk was not on hold."""

    officer: str
    verb: str
    rows: tuple[int, ...]
    mail: IncomingMail
    counts: bool | None = None


@dataclass
class Oracle:
    """What the mails so far allow."""

    slots: tuple[str | None, ...]
    read: list[Spoken] = field(default_factory=list)

    def is_declined(self, row: int) -> bool:
        """By somebody, before enough had approved."""
        approvers: list[str] = []
        for spoken in self.read:
            if row not in spoken.rows or not spoken.counts:
                continue
            if spoken.verb == "decline" and len(approvers) < len(self.slots):
                return True
            if spoken.verb == "approve" and self._fits(spoken.officer, approvers):
                approvers.append(spoken.officer)
        return False

    def is_approved(self, row: int) -> bool:
        approvers: list[str] = []
        for spoken in self.read:
            speaks_of_it = row in spoken.rows and spoken.counts and spoken.verb == "approve"
            if speaks_of_it and self._fits(spoken.officer, approvers):
                approvers.append(spoken.officer)
        return len(approvers) == len(self.slots) and not self.is_declined(row)

    def _fits(self, officer: str, approvers: list[str]) -> bool:
        if officer == "yamada" or officer in approvers or len(approvers) == len(self.slots):
            return False
        role = self.slots[len(approvers)]
        return role is None or role in _ROLES[officer]


@dataclass(frozen=True)
class Template:
    """A desk with one application of two rows, and the same two engines for each example: a new engine would compile
    every statement again."""

    folder: Path  # its files as they are copied
    desk: RevocationDesk  # whose files lie elsewhere
    number: str
    fuse: Fuse

    def begin(self) -> None:
        """The store and the ledger are again as they were prepared."""
        for engine in (self.desk.world.engine, self.desk.ledger):
            engine.dispose()
            file = Path(str(engine.url.database))
            for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
                (file.parent / name).unlink(missing_ok=True)
            shutil.copy(self.folder / file.name, file)


def _prepare(folder: Path, policy: Policy) -> Template:
    """yamada is the applicant: one of that officer's addresses stands in column 10."""
    officers = [
        an_officer(name, pin).model_copy(update={"roles": _ROLES[name]})
        for name, pin in _FINGERPRINTS.items()
    ]
    officers[-1] = officers[-1].model_copy(update={"addresses": (*officers[-1].addresses, APPLICANT)})
    institution = TESTKIKAN.model_copy(update={"officers": tuple(officers), "policies": (policy,)})
    world = open_world(folder, institution)
    open_ledger(folder / "signer.db").dispose()
    lines = [tsv_line(f"test{row}.example.ac.jp") for row in ROWS]
    number = world.take(*lines)
    world.engine.dispose()
    used = folder / "used"
    used.mkdir()
    world.engine = open_store(f"sqlite:///{used / 'ringi.db'}")
    template = Template(
        folder, RevocationDesk(world, open_ca(folder), open_ledger(used / "signer.db")), number, Fuse()
    )
    for engine in (world.engine, template.desk.ledger):
        event.listen(engine, "connect", _without_disk)
        template.fuse.watch(engine)
    return template


_names = itertools.count(1)


class Desk(RuleBasedStateMachine):
    """`template` and `policy` are set by the test."""

    template: Template
    policy: Policy

    def __init__(self) -> None:
        super().__init__()
        self.template.begin()
        self.desk, self.number, self.fuse = self.template.desk, self.template.number, self.template.fuse
        self.desk._mails.clear()
        steps = self.policy.steps or (Step(approvals=self.policy.approvals),)
        self.oracle = Oracle(tuple(step.role for step in steps for _ in range(step.approvals)))
        self.spoken: list[Spoken] = []
        self.is_held = False
        self.code = self.desk.world.code(self.number)

    def teardown(self) -> None:
        self._everybody_who_may_approves()
        for row, state in self._states().items():
            expected = EntryState.DECLINED if self.oracle.is_declined(row) else EntryState.ISSUED
            assert state is expected, (row, state)
        self.never_twice_and_never_unapproved()

    def _everybody_who_may_approves(self) -> None:
        if self.is_held:
            self._say("suzuki", "resume", ROWS, "再開")
        for officer in ("suzuki", "tanaka", "sato", "tanaka"):
            waiting = [row for row, state in self._states().items() if state is EntryState.WAITING]
            if waiting:
                self._say(officer, "approve", tuple(waiting), f"承認 {','.join(map(str, waiting))}")
        self._certify()

    # -- what happens

    @rule(
        officer=st.sampled_from(sorted(_ROLES)),
        rows=st.sampled_from([(1,), ROWS]),
        dies=st.integers(0, 60),
    )
    def approve(self, officer: str, rows: tuple[int, ...], dies: int) -> None:
        line = "承認" if rows == ROWS else f"承認 {','.join(map(str, rows))}"
        self._say(officer, "approve", rows, line, dies)

    @rule(
        officer=st.sampled_from(["suzuki", "sato"]),
        rows=st.sampled_from([(1,), (2,)]),
        dies=st.integers(0, 60),
    )
    def decline(self, officer: str, rows: tuple[int, ...], dies: int) -> None:
        self._say(officer, "decline", rows, f"却下 {rows[0]}: 取りやめ", dies)

    @rule(officer=st.sampled_from(sorted(_ROLES)), dies=st.integers(0, 60))
    def hold_or_resume(self, officer: str, dies: int) -> None:
        self._say(
            officer, *(("resume", ROWS, "再開") if self.is_held else ("hold", ROWS, "保留: 確認中")), dies
        )

    @precondition(lambda self: self.spoken)
    @rule(data=st.data())
    def the_same_mail_again(self, data: st.DataObject) -> None:
        self._receive(data.draw(st.sampled_from(self.spoken)))

    @rule(dies=st.integers(0, 120))
    def issue(self, dies: int) -> None:
        self.fuse.left = dies or None
        try:
            self._certify()
        except Crash:
            pass
        finally:
            self.fuse.left = None

    # -- what must hold after each of it

    @invariant()
    def never_twice_and_never_unapproved(self) -> None:
        with reading(self.desk.world.engine) as session:
            entries = session.scalars(select(Entry).where(Entry.number == self.number)).all()
            for entry in entries:
                if entry.state in _GOING_ON:
                    assert self.oracle.is_approved(entry.seq), (entry.seq, entry.state)
            certificates = session.scalars(select(Certificate)).all()
            assert len({c.entry_id for c in certificates}) == len(certificates)
            ders = {c.serial: c.der for c in certificates if c.der}
            assert journal.first_fault(session) is None
        with reading(self.desk.ledger) as session:
            kept = session.scalars(select(SignedRow)).all()
            assert len({(s.sheet_sha256, s.seq) for s in kept}) == len(kept)
            assert all(ders.get(s.serial, s.der) == s.der for s in kept if s.der)
            assert {serial for serial in ders} <= {s.serial for s in kept}

    # -- how

    def _say(self, officer: str, verb: str, rows: tuple[int, ...], line: str, dies: int = 0) -> None:
        text = f"{line}\n\n> コード: {self.code}\n> mail {next(_names)}\n"
        spoken = Spoken(officer, verb, rows, signed(text, officer, _FINGERPRINTS[officer]))
        self.desk._mails[spoken.mail.raw] = spoken.mail
        self.spoken.append(spoken)
        self.fuse.left = dies or None
        try:
            self._receive(spoken)
        except Crash:
            self._receive(spoken)  # it still lies in the folder
        finally:
            self.fuse.left = None

    def _receive(self, spoken: Spoken) -> None:
        handled: Handled = self.desk.world.receive(spoken.mail)
        if spoken.counts is None:
            spoken.counts = not self.is_held or spoken.verb != "approve"
            self.oracle.read.append(spoken)
        if handled.reason in (Reason.HELD, Reason.RESUMED):
            self.is_held = handled.reason is Reason.HELD
            assert spoken.verb in ("hold", "resume")

    def _certify(self) -> None:
        certifier(self.desk).certify_all(lambda: True)

    def _states(self) -> dict[int, EntryState]:
        with reading(self.desk.world.engine) as session:
            return {e.seq: e.state for e in session.get_one(Application, self.number).entries}


def _without_disk(connection: Any, _record: object) -> None:
    """What survives a power cut is not asked here."""
    connection.execute("PRAGMA synchronous=OFF")


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_AP4_in_any_order_each_row_is_issued_at_most_once_and_only_as_its_policy_says(
    policy: Policy, tmp_path: Path
) -> None:
    class Machine(Desk):
        pass

    Machine.template, Machine.policy = _prepare(tmp_path, policy), policy
    limits = settings(
        max_examples=200, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Machine, settings=limits)
