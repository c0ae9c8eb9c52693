"""Approved rows and the CA: what it refuses ends with a table, what it can't do now is tried again."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import select

from bot.ca.protocol import CaFault
from bot.certify import Certifier
from bot.holder import this_process
from bot.shares import Shares
from bot.whois_facts import Inquirer
from handlers.refreeze import refreeze_changed
from handlers.rules.order import IssueOrder
from store.tables import Certificate
from store.transaction import reading, writing
from tests.applications import TANAKA, csr_text, policies, tsv_line
from tests.revocations import RevocationDesk, open_desk


@pytest.fixture
def desk(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = open_desk(tmp_path)
    yield opened
    opened.world.engine.dispose()


def certifier(desk: RevocationDesk, ca: object = None) -> Certifier:
    world = desk.world
    return Certifier(
        engine=world.engine,
        signer=desk.client(ca),  # type: ignore[arg-type]
        post=desk,  # type: ignore[arg-type]
        reader=lambda: desk,  # type: ignore[arg-type, return-value]
        context=world.context,
        inquirer=_NOBODY,
        shares=Shares(world.engine, this_process(), lambda: world.now),
    )


class _Nobody(Inquirer):
    """WHOIS is off."""

    def __init__(self) -> None:
        pass

    def ask(self, domains, is_wanted):  # type: ignore[no-untyped-def]
        return {}


_NOBODY = _Nobody()


@dataclass
class FaultyCa:
    """The real CA, but for `faults` calls that fail for now."""

    desk: RevocationDesk
    faults: int
    orders: list[IssueOrder] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return self.desk.ca.issuer

    def chain(self) -> tuple[bytes, ...]:
        return self.desk.ca.chain()

    @property
    def not_after(self) -> datetime:
        return self.desk.ca.not_after

    @property
    def is_in_memory(self) -> bool:
        return True

    def issue(self, order: IssueOrder) -> bytes:
        self.orders.append(order)
        if len(self.orders) <= self.faults:
            raise CaFault("the HSM is away", temporary=True)
        return self.desk.ca.issue(order)


def approved(desk: RevocationDesk, *lines: str) -> str:
    number = desk.world.take(*lines or (tsv_line(),))
    desk.decide("承認", number)
    return number


def test_approved_rows_become_certificates(desk: RevocationDesk) -> None:
    number = approved(desk, tsv_line(), tsv_line("test2.example.ac.jp"))
    assert certifier(desk).certify_all(lambda: True) == 2
    assert desk.world.states(number) == ["issued", "issued"]
    assert [n.letter.template for n in desk.notices] == ["applicant.download"]
    assert certifier(desk).certify_all(lambda: True) == 0


def test_what_the_ca_refuses_for_good_ends_with_932(desk: RevocationDesk, tmp_path: Path) -> None:
    """A CSR of the CA's own key: it never signs for itself."""
    key = load_pem_private_key((tmp_path / "ca.key").read_bytes(), None)
    number = approved(desk, tsv_line(c7=csr_text("test1.example.ac.jp", key)))  # type: ignore[arg-type]
    assert certifier(desk).certify_all(lambda: True) == 0
    assert desk.world.states(number) == ["failed"]
    tables = [n.letter.rows for n in desk.notices if n.letter.template == "officer.not_issued"]  # type: ignore[union-attr]
    assert [error.code for row in tables[0] for error in row.errors] == [932]
    assert "monitor.alarm" in [n.letter.template for n in desk.notices]


def test_what_the_ca_cannot_do_now_is_tried_again_with_the_same_serial(desk: RevocationDesk) -> None:
    number = approved(desk)
    ca = FaultyCa(desk, faults=2)
    for _ in range(2):
        assert certifier(desk, ca).certify_all(lambda: True) == 0
        assert desk.world.states(number) == ["signing"]
    assert certifier(desk, ca).certify_all(lambda: True) == 1
    assert len({order.serial for order in ca.orders}) == 1
    with reading(desk.world.engine) as session:
        assert len(session.scalars(select(Certificate)).all()) == 1


def test_PGP5_a_signature_that_no_longer_verifies_issues_nothing(desk: RevocationDesk) -> None:
    number = approved(desk)
    desk.reads = False
    assert certifier(desk).certify_all(lambda: True) == 0
    assert desk.world.states(number) == ["failed"]


def test_CMS6_what_cannot_be_judged_now_waits_and_keeps_nobody_else_waiting(desk: RevocationDesk) -> None:
    held = desk.world.take(tsv_line())
    desk.decide("承認", held, "tanaka", TANAKA)
    other = approved(desk, tsv_line("test2.example.ac.jp"))
    desk.unjudged = {"tanaka"}
    assert certifier(desk).certify_all(lambda: True) == 1
    assert (desk.world.states(held), desk.world.states(other)) == (["approved"], ["issued"])
    desk.unjudged = set()
    assert certifier(desk).certify_all(lambda: True) == 1
    assert desk.world.states(held) == ["issued"]


def test_CMS6_an_intent_that_cannot_be_judged_now_waits_too(desk: RevocationDesk) -> None:
    held = desk.world.take(tsv_line())
    desk.decide("承認", held, "tanaka", TANAKA)
    ca = FaultyCa(desk, faults=1)
    assert certifier(desk, ca).certify_all(lambda: True) == 0
    desk.unjudged = {"tanaka"}
    approved(desk, tsv_line("test2.example.ac.jp"))
    assert certifier(desk).certify_all(lambda: True) == 1
    assert desk.world.states(held) == ["signing"]
    desk.unjudged = set()
    assert certifier(desk).certify_all(lambda: True) == 1


def test_a_certificate_whose_answer_was_lost_survives_a_change_of_the_policy(desk: RevocationDesk) -> None:
    """The signer signed row 1 and the desk died before it heard; then the register asks for two officers."""
    number = desk.world.take(tsv_line(), tsv_line("test2.example.ac.jp"))
    desk.decide("承認 1", number)
    deaf = desk.client()

    def lose(question: bytes) -> bytes:
        answer = deaf.call(question)
        if b'"ask":"issue"' in question:
            raise CaFault("the answer was lost", temporary=True)
        return answer

    dying = replace(certifier(desk), signer=replace(deaf, call=lose))
    assert dying.certify_all(lambda: True) == 0
    assert desk.world.states(number) == ["signing", "waiting"]
    desk.world.change_institution(policies=policies(approvals=2))
    with writing(desk.world.engine) as session:
        refreeze_changed(desk.world.context(session))
    assert certifier(desk).certify_all(lambda: True) == 1
    assert desk.world.states(number) == ["issued", "waiting"]
    # the rest waits for two
    with writing(desk.world.engine) as session:
        assert refreeze_changed(desk.world.context(session))
    desk.decide("承認", number)
    assert desk.world.states(number) == ["issued", "waiting"]
    desk.decide("承認", number, "tanaka", TANAKA)
    assert certifier(desk).certify_all(lambda: True) == 1
    assert desk.world.states(number) == ["issued", "issued"]
