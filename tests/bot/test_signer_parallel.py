"""Signing in children: every order is answered once, in its place, whatever becomes of a child."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bot.ca.protocol import CaFault, IssueOrder
from bot.signer.parallel import sign_each
from handlers.rules.profile import DEFAULT_PROFILES

NOW = datetime(2026, 11, 29, tzinfo=UTC)
PARENT = os.getpid()
ORDERS = [
    IssueOrder(serial, (("CN", "a.example.ac.jp"),), ("a.example.ac.jp",), b"", DEFAULT_PROFILES[0], NOW, NOW)
    for serial in range(1, 101)
]


def sign(order: IssueOrder) -> bytes:
    return f"{order.serial} by {os.getpid()}".encode()


def serials(signed: list[bytes | CaFault]) -> list[int]:
    return [int(one.split()[0]) for one in signed if isinstance(one, bytes)]


@pytest.mark.parametrize(("processes", "used"), [(1, 1), (2, 2), (3, 3), (8, 3)])
def test_each_order_is_signed_once_and_in_its_place(processes: int, used: int) -> None:
    found = sign_each(sign, ORDERS, processes)
    assert serials(found) == [order.serial for order in ORDERS]
    signers = {int(one.split()[2]) for one in found if isinstance(one, bytes)}
    assert len(signers) == used
    # and nobody is left behind
    for child in signers - {os.getpid()}:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)


@pytest.mark.parametrize("count", [0, 1, 63])
def test_a_few_are_signed_without_children(count: int) -> None:
    found = sign_each(sign, ORDERS[:count], 8)
    assert found == [sign(order) for order in ORDERS[:count]]


def failing(serial: int, *, temporary: bool) -> Callable[[IssueOrder], bytes]:
    def sign_or_fail(order: IssueOrder) -> bytes:
        if order.serial == serial:
            raise CaFault(f"not number {serial}", temporary=temporary)
        return sign(order)

    return sign_or_fail


@pytest.mark.parametrize("serial", [10, 90])
def test_an_order_that_is_refused_for_good_is_refused_alone(serial: int) -> None:
    found = sign_each(failing(serial, temporary=False), ORDERS, 2)
    fault = found[serial - 1]
    assert isinstance(fault, CaFault)
    assert (str(fault), fault.temporary) == (f"not number {serial}", False)
    assert serials(found) == [order.serial for order in ORDERS if order.serial != serial]


@pytest.mark.parametrize(("serial", "lacking"), [(10, range(10, 51)), (90, range(90, 101))])
def test_what_a_ca_cannot_do_now_ends_its_share(serial: int, lacking: range) -> None:
    found = sign_each(failing(serial, temporary=True), ORDERS, 2)
    assert len(found) == len(ORDERS)
    assert [n for n, one in enumerate(found, 1) if isinstance(one, CaFault) and one.temporary] == list(
        lacking
    )


@pytest.mark.parametrize("serial", [51, 75, 100])
def test_the_share_of_a_child_that_dies_is_signed_all_the_same(serial: int) -> None:
    def die(order: IssueOrder) -> bytes:
        if order.serial == serial and os.getpid() != PARENT:
            os._exit(9)
        return sign(order)

    found = sign_each(die, ORDERS, 2)
    assert serials(found) == [order.serial for order in ORDERS]
    assert {one.split()[2] for one in found if isinstance(one, bytes)} == {str(PARENT).encode()}
