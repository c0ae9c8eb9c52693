"""Whether WHOIS still shows the registrant that the CA vetted."""

import pytest

from handlers.rules.register import Domain, Institution
from handlers.rules.registrant import UNREACHABLE, WhoisFact, check_registrants, matches, watched_domains
from tests.applications import TESTKIKAN


@pytest.mark.parametrize(
    ("registered", "shown"),
    [
        ("Testkikan University", "TESTKIKAN UNIVERSITY"),
        ("Testkikan University", "  Testkikan \t University "),
        ("Testkikan University", "Testkikan　Ｕｎｉｖｅｒｓｉｔｙ"),
        ("学校法人 申請学園", "学校法人　申請学園"),
        ("カガク大学", "ｶｶﾞｸ大学"),
        ("株式会社試験", "株式会社試験"),
    ],
)
def test_width_case_and_spacing_are_forgiven(registered: str, shown: str) -> None:
    assert matches(registered, (shown,))


@pytest.mark.parametrize(
    ("registered", "shown"),
    [
        ("申請大学", "学校法人申請学園 申請大学"),  # the manual's own example
        ("学校法人申請学園 申請大学", "申請大学"),
        ("申請大学", "申請 大学"),
        ("Testkikan", "Testkikan, Inc."),
        ("Testkikan University", "TestkikanUniversity"),
        ("Testkikan", "Test-kikan"),
        ("Testkikan", ""),
        ("", ""),
        (" ", "　"),
    ],
)
def test_any_other_change_is_a_change(registered: str, shown: str) -> None:
    assert not matches(registered, (shown,))


def test_one_of_the_names_shown_is_enough_and_none_is_not() -> None:
    assert matches("Testkikan", ("テスト機関", "Testkikan"))
    assert not matches("Testkikan", ())


def institution(*domains: Domain) -> Institution:
    return TESTKIKAN.model_copy(update={"domains": domains})


AC = Domain(name="example.ac.jp", registrant="Testkikan")
LAB = Domain(name="lab.example.ac.jp", registrant="Lab")
QUIET = Domain(name="example.jp")


def test_a_domain_is_watched_once_and_only_with_a_registrant() -> None:
    ours = institution(AC, LAB, QUIET)
    names = ("a.example.ac.jp", "b.example.ac.jp", "*.lab.example.ac.jp", "www.example.jp", "other.jp")
    assert watched_domains(ours, names) == (AC, LAB)


def found(names: tuple[str, ...], **facts: WhoisFact) -> list[tuple[int, tuple[str, ...]]]:
    by_name = {name.replace("_", "."): fact for name, fact in facts.items()}
    return [(e.code, e.values) for e in check_registrants(institution(AC, LAB, QUIET), names, by_name)]


def test_the_registrant_that_was_vetted_raises_nothing() -> None:
    assert found(("a.example.ac.jp", "www.example.jp"), example_ac_jp=WhoisFact(("TESTKIKAN",))) == []


def test_each_domain_gets_its_own_error() -> None:
    names = ("a.example.ac.jp", "b.example.ac.jp", "a.lab.example.ac.jp")
    assert found(names, example_ac_jp=WhoisFact(("Other",)), lab_example_ac_jp=UNREACHABLE) == [
        (923, ("example.ac.jp",)),
        (922, ("lab.example.ac.jp",)),
    ]


def test_a_domain_that_nobody_holds_any_more_differs() -> None:
    assert found(("a.example.ac.jp",), example_ac_jp=WhoisFact(())) == [(923, ("example.ac.jp",))]


def test_a_domain_that_was_not_asked_for_counts_as_unreachable() -> None:
    assert found(("a.example.ac.jp",)) == [(922, ("example.ac.jp",))]
