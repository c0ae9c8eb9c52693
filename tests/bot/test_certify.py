"""Approved rows and the CA: what it refuses ends with a table, what it can't do now is tried again."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import select

from bot.ca.protocol import CaFault
from bot.certify import Certifier
from bot.wiring import Inquirer
from handlers.rules.order import IssueOrder
from store.tables import Certificate
from store.transaction import reading
from tests.applications import csr_text, open_world, tsv_line
from tests.revocations import RevocationDesk, open_ca


@pytest.fixture
def desk(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = RevocationDesk(open_world(tmp_path), open_ca(tmp_path))
    yield opened
    opened.world.engine.dispose()


def certifier(desk: RevocationDesk, ca: object = None) -> Certifier:
    world = desk.world
    return Certifier(
        engine=world.engine,
        ca=ca or desk.ca,  # type: ignore[arg-type]
        post=desk,  # type: ignore[arg-type]
        reader=lambda: desk,  # type: ignore[arg-type, return-value]
        context=world.context,
        inquirer=_NOBODY,
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

    def find(self, serial: int) -> bytes | None:
        return None

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
