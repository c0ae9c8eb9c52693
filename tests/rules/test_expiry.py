"""Steps of expiry notices, and which names lose coverage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.expiry import Cover, officers_steps_of, step_at, steps_of, uncovered_names

END = datetime(2027, 12, 23, 3, 4, 4, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
OWN = Cover(5, ("a.example.ac.jp", "b.example.ac.jp"), END, "sato@example.ac.jp")
OTHER = Cover(9, OWN.names, END + 396 * DAY, "ito@example.ac.jp")

_names = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True).map(tuple)
_ends = st.integers(0, 100).map(lambda days: END + days * DAY)
_contacts = st.sampled_from(["sato@example.ac.jp", "ito@example.ac.jp"])
_covers = st.builds(Cover, st.integers(1, 10_000), _names, _ends, _contacts)
_several = st.lists(_covers, max_size=8, unique_by=lambda cover: cover.id)
_steps = st.sampled_from([60, 30, 14, 7, 1])


@pytest.mark.parametrize(
    ("days", "steps"),
    [
        (3650, (60, 30, 14, 7, 1)),
        (398, (60, 30, 14, 7, 1)),
        (396, (60, 30, 14, 7, 1)),
        (200, (31, 16, 8, 4, 1)),
        (100, (16, 8, 4, 2, 1)),
        (47, (8, 4, 2, 1)),
        (7, (2, 1)),
        (1, (1,)),
    ],
)
def test_the_steps_shrink_with_the_validity(days: int, steps: tuple[int, ...]) -> None:
    assert steps_of(days * DAY) == steps
    # the last second of a validity counts: a profile's certificate is a second short of its days
    assert steps_of(days * DAY - SECOND) == steps
    assert officers_steps_of(days * DAY) == steps[-2:]


@given(st.integers(1, 5000))
def test_steps_go_down_to_one_day_and_none_comes_twice(days: int) -> None:
    steps = steps_of(days * DAY)
    assert list(steps) == sorted(set(steps), reverse=True)
    assert steps[-1] == 1
    assert steps[0] <= max(1, days)


@given(st.integers(1, 5000))
def test_a_notice_belongs_to_the_step_it_was_planned_for_also_when_postponed(days: int) -> None:
    steps = steps_of(days * DAY)
    for step, following in zip(steps, (*steps[1:], -1), strict=True):
        assert {step_at(days * DAY, left) for left in range(following + 1, step + 1)} == {step}


def test_alone_every_name_is_uncovered_in_its_order() -> None:
    assert uncovered_names(OWN, [], 30) == OWN.names


def test_what_another_certificate_holds_long_enough_is_covered_and_the_rest_is_not() -> None:
    assert uncovered_names(OWN, [OTHER], 30) == ()
    assert uncovered_names(OWN, [replace(OTHER, names=("b.example.ac.jp",))], 30) == ("a.example.ac.jp",)
    assert uncovered_names(OWN, [replace(OTHER, names=("c.example.ac.jp",))], 30) == OWN.names


def test_several_certificates_cover_together() -> None:
    others = [replace(OTHER, id=n, names=(name,)) for n, name in enumerate(OWN.names, 9)]
    assert uncovered_names(OWN, others, 60) == ()


@pytest.mark.parametrize("step", [60, 30, 14, 7, 1])
def test_another_person_s_certificate_covers_if_it_ends_a_step_later_to_the_second(step: int) -> None:
    at_the_edge = replace(OTHER, ends=END + step * DAY)
    assert uncovered_names(OWN, [at_the_edge], step) == ()
    assert uncovered_names(OWN, [replace(at_the_edge, ends=at_the_edge.ends - SECOND)], step) == OWN.names


def test_one_person_hears_of_a_name_with_the_certificate_that_ends_last() -> None:
    mine = replace(OTHER, contact=OWN.contact)
    later, same = replace(mine, ends=END + SECOND), replace(mine, ends=END)
    assert uncovered_names(OWN, [later], 60) == ()
    assert uncovered_names(later, [OWN], 60) == OWN.names
    assert uncovered_names(OWN, [same], 60) == ()  # the newer one of two that end together
    assert uncovered_names(same, [OWN], 60) == OWN.names


@given(_several, _steps)
def test_every_name_that_loses_its_last_certificate_is_told_to_somebody(
    covers: list[Cover], step: int
) -> None:
    """With the last one that holds it: no two certificates ever silence each other."""
    for name in {name for cover in covers for name in cover.names}:
        last = max((c for c in covers if name in c.names), key=lambda c: (c.ends, c.id))
        assert name in uncovered_names(last, [c for c in covers if c is not last], step)


@given(_several, _steps)
def test_a_person_is_never_told_of_a_name_twice(covers: list[Cover], step: int) -> None:
    told = [
        (cover.contact, name)
        for cover in covers
        for name in uncovered_names(cover, [c for c in covers if c is not cover], step)
    ]
    assert len(told) == len(set(told))


@given(_several, _covers, _steps)
def test_a_certificate_that_holds_a_name_a_step_longer_always_silences_it(
    covers: list[Cover], own: Cover, step: int
) -> None:
    covered = {n for c in covers if c.ends >= own.ends + step * DAY for n in c.names}
    assert not covered & set(uncovered_names(own, covers, step))


@given(_several, _covers, _steps)
def test_more_certificates_never_uncover_a_name(covers: list[Cover], own: Cover, step: int) -> None:
    assert set(uncovered_names(own, covers, step)) <= set(uncovered_names(own, covers[1:], step))
    assert set(uncovered_names(own, covers, step)) <= set(own.names)
