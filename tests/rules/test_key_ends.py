"""Until when a pinned key can sign, which key takes over, and when too few officers are left."""

from datetime import UTC, date, datetime, timedelta

import pytest

from handlers.rules.key_ends import KeyState, OfficerKey, find_shortage, needs_warning, officer_keys
from handlers.rules.register import Institution, Officer, OpenPGPKey, Policy, Register, SmimeKey, Step
from handlers.rules.scheme import Scheme
from tests.applications import SUZUKI, TANAKA, TESTKIKAN, an_officer

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
END = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
JST = 9
SMIME = "AB" * 32


def state(fingerprint: str = SUZUKI, ends_at: datetime | None = None) -> KeyState:
    return KeyState(Scheme.OPENPGP, fingerprint, ends_at)


def pinned(*states: KeyState, **days: date) -> tuple[OfficerKey, ...]:
    """The keys of a register where suzuki's only pin has these days."""
    officer = an_officer("suzuki", SUZUKI)
    pin = OpenPGPKey(fingerprint=SUZUKI, file="suzuki.asc", **days)
    institution = TESTKIKAN.model_copy(update={"officers": (officer.model_copy(update={"openpgp": (pin,)}),)})
    return officer_keys(Register({"testkikan": institution}, "f" * 64), states, JST)


def a_key(ends_at: datetime | None, officer: str = "suzuki", starts_at: datetime | None = None) -> OfficerKey:
    return OfficerKey("testkikan", officer, Scheme.OPENPGP, f"{ends_at}{starts_at}", starts_at, ends_at)


@pytest.mark.parametrize(
    ("own", "until", "expected"),
    [
        (None, None, None),
        (END, None, END),
        (None, date(2026, 12, 1), datetime(2026, 12, 1, 14, 59, 59, tzinfo=UTC)),
        (END, date(2026, 12, 1), END),
        (END, date(2026, 11, 30), datetime(2026, 11, 30, 14, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_earlier_of_the_key_s_own_end_and_of_until_holds(
    own: datetime | None, until: date | None, expected: datetime | None
) -> None:
    days = {"until": until} if until else {}
    [key] = pinned(state(ends_at=own), **days)
    assert key.ends_at == expected
    if expected:
        assert key.serves_at(expected)
        assert not key.serves_at(expected + timedelta(seconds=1))


def test_a_key_serves_from_the_first_second_of_since_on_people_s_calendars() -> None:
    [key] = pinned(state(), since=date(2026, 11, 25))
    midnight = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    assert key.serves_at(midnight)
    assert not key.serves_at(midnight - timedelta(seconds=1))


def test_a_pin_without_a_good_key_and_a_key_of_the_other_system_are_of_no_use() -> None:
    assert pinned() == ()
    assert pinned(KeyState(Scheme.SMIME, SUZUKI, None)) == ()
    assert pinned(state(TANAKA)) == ()


def test_both_systems_count() -> None:
    officer = an_officer("suzuki", SUZUKI).model_copy(
        update={"smime": (SmimeKey(public_key=SMIME, file="s.pem"),)}
    )
    register = Register({"testkikan": TESTKIKAN.model_copy(update={"officers": (officer,)})}, "f" * 64)
    keys = officer_keys(register, (state(), KeyState(Scheme.SMIME, SMIME, END)), JST)
    assert [(key.scheme, key.fingerprint, key.ends_at) for key in keys] == [
        (Scheme.OPENPGP, SUZUKI, None),
        (Scheme.SMIME, SMIME, END),
    ]


@pytest.mark.parametrize(
    ("successor", "is_warned"),
    [
        (a_key(None), False),
        (a_key(END + timedelta(seconds=1)), False),
        (a_key(END), True),  # ends with it
        (a_key(None, officer="tanaka"), True),
        (a_key(None, starts_at=END), False),
        (a_key(None, starts_at=END + timedelta(seconds=1)), False),
        (a_key(None, starts_at=END + timedelta(seconds=2)), True),  # a gap
    ],
)
def test_a_key_with_a_successor_of_the_same_officer_is_not_warned_of(
    successor: OfficerKey, is_warned: bool
) -> None:
    key = OfficerKey("testkikan", "suzuki", Scheme.SMIME, SMIME, None, END)
    assert needs_warning(key, (key, successor), NOW) is is_warned


def test_a_key_without_an_end_and_one_that_has_ended_are_not_warned_of() -> None:
    for key in (a_key(None), a_key(NOW - timedelta(seconds=1))):
        assert not needs_warning(key, (key,), NOW)
    last = a_key(NOW)
    assert needs_warning(last, (last,), NOW)


def with_policy(*steps: Step, officers: tuple[Officer, ...] = TESTKIKAN.officers, **more: int) -> Institution:
    policy = Policy(steps=steps, **more)
    return TESTKIKAN.model_copy(update={"policies": (policy,), "officers": officers})


def test_too_few_officers_with_a_key_today_are_a_shortage() -> None:
    both = (a_key(END, "suzuki"), a_key(None, "tanaka"))
    two = with_policy(approvals=2)
    assert find_shortage(two, both, END) is None
    found = find_shortage(two, both, END + timedelta(seconds=1))
    assert found is not None
    assert (found.institution, found.able, found.policies) == ("testkikan", ("tanaka",), (0,))
    assert find_shortage(TESTKIKAN, both, END + timedelta(seconds=1)) is None


def test_the_only_officer_of_a_role_leaves_a_shortage() -> None:
    suzuki, tanaka = TESTKIKAN.officers
    head = tanaka.model_copy(update={"roles": ("head",)})
    institution = with_policy(Step(), Step(role="head"), officers=(suzuki, head))
    keys = (a_key(None, "suzuki"), a_key(END, "tanaka"))
    assert find_shortage(institution, keys, END) is None
    assert find_shortage(institution, keys, END + timedelta(seconds=1)) is not None


def test_an_institution_without_policies_still_needs_an_officer_and_one_that_is_not_active_none() -> None:
    bare = TESTKIKAN.model_copy(update={"policies": ()})
    assert find_shortage(bare, (), NOW) is not None
    assert find_shortage(bare, (a_key(None),), NOW) is None
    assert find_shortage(TESTKIKAN.model_copy(update={"active": False}), (), NOW) is None


def test_keys_of_other_institutions_do_not_count() -> None:
    foreign = OfficerKey("other", "suzuki", Scheme.OPENPGP, SUZUKI, None, None)
    assert find_shortage(TESTKIKAN, (foreign,), NOW) is not None
