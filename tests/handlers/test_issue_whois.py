"""A changed registrant stops a row right before issuing; a server that is away only makes it wait (922, 923)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from handlers import issue
from handlers.letters.monitor import MonitorAlarm
from handlers.letters.officer import OfficerNotIssued
from handlers.notices import Notice
from handlers.proof import Proven
from handlers.rules.register import Domain
from handlers.rules.registrant import UNREACHABLE, WhoisFact
from handlers.whois import domains_to_ask
from store import applications
from store.tables import Application, Entry
from store.transaction import reading, writing
from tests.applications import NOW, TANAKA, TESTKIKAN, DeskWorld, open_world, policies, tsv_line
from tests.reserved import an_issuer

AC = Domain(name="example.ac.jp", registrant="Testkikan", vetted_until="2030-03-31")
LAB = Domain(name="lab.example.ac.jp", registrant="Lab", vetted_until="2030-03-31")
SAME, OTHER = WhoisFact(("テスト機関", "TESTKIKAN")), WhoisFact(("学校法人 Testkikan",))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DeskWorld]:
    opened = open_world(tmp_path, TESTKIKAN.model_copy(update={"domains": (AC, LAB)}))
    opened.desk = replace(opened.desk, whois="require")
    yield opened
    opened.engine.dispose()


def plan(world: DeskWorld, number: str, **facts: WhoisFact) -> list[Notice]:
    by_name = {name.replace("_", "."): fact for name, fact in facts.items()}
    with writing(world.engine) as session:
        application = session.get_one(Application, number)
        return issue.plan(world.context(session), application, proven(world, number), an_issuer(), by_name)


def proven(world: DeskWorld, number: str) -> Proven:
    with reading(world.engine) as session:
        decisions = applications.decisions_on(session, number)
        return {decision.id: frozenset(json.loads(decision.rows)) for decision in decisions}


def approved(world: DeskWorld, *names: str, line: str = "承認") -> str:
    number = world.take(*(tsv_line(name) for name in names or ("test1.example.ac.jp",)))
    world.decide(line, number)
    return number


def told(notices: list[Notice]) -> Mapping[int, list[int]]:
    """SEQ -> codes, as an officer reads them."""
    letters = [n.letter for n in notices if isinstance(n.letter, OfficerNotIssued)]
    return {row.seq: [error.code for error in row.errors] for row in letters[0].rows} if letters else {}


def test_the_vetted_registrant_is_issued_to(world: DeskWorld) -> None:
    number = approved(world)
    assert plan(world, number, example_ac_jp=SAME) == []
    assert world.states(number) == ["signing"]


def test_a_changed_registrant_is_not_issued_to_and_everybody_reads_why(world: DeskWorld) -> None:
    number = approved(world)
    notices = plan(world, number, example_ac_jp=OTHER)
    assert world.states(number) == ["failed"]
    assert told(notices) == {1: [923]}
    assert [n.to for n in notices] == [
        "applicant@example.ac.jp",
        "suzuki@example.ac.jp",
        "tanaka@example.ac.jp",
    ]


def test_a_changed_registrant_of_one_row_stops_all_of_them(world: DeskWorld) -> None:
    number = approved(world, "test1.example.ac.jp", "test1.lab.example.ac.jp")
    assert told(plan(world, number, example_ac_jp=SAME, lab_example_ac_jp=OTHER)) == {1: [], 2: [923]}
    assert world.states(number) == ["failed", "failed"]


def test_a_changed_registrant_stops_only_its_rows_where_the_officer_said_so(world: DeskWorld) -> None:
    number = approved(world, "test1.example.ac.jp", "test1.lab.example.ac.jp", line="承認 有効分のみ")
    assert told(plan(world, number, example_ac_jp=SAME, lab_example_ac_jp=OTHER)) == {2: [923]}
    assert world.states(number) == ["signing", "failed"]


@pytest.mark.parametrize("facts", [{}, {"example_ac_jp": UNREACHABLE}], ids=["not asked", "no answer"])
def test_without_an_answer_a_row_waits_for_three_hours_and_then_fails(
    world: DeskWorld, facts: dict[str, WhoisFact]
) -> None:
    number = approved(world)
    for minutes in (0, 5, 179):
        world.now = NOW + timedelta(minutes=minutes)
        assert plan(world, number, **facts) == []
        assert world.states(number) == ["approved"]
    world.now = NOW + timedelta(hours=3)
    assert told(plan(world, number, **facts)) == {1: [922]}
    assert world.states(number) == ["failed"]


def test_a_row_that_waited_is_issued_when_the_server_is_back(world: DeskWorld) -> None:
    number = approved(world)
    plan(world, number)
    world.now = NOW + timedelta(hours=2)
    assert plan(world, number, example_ac_jp=SAME) == []
    assert world.states(number) == ["signing"]


def test_the_three_hours_begin_with_the_last_approval(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    number = approved(world)
    world.now = NOW + timedelta(hours=4)
    world.decide("承認", number, "tanaka", TANAKA)
    assert plan(world, number) == []
    assert world.states(number) == ["approved"]


def test_the_other_rows_wait_too_unless_the_officer_said_otherwise(world: DeskWorld) -> None:
    stopped = approved(world, "test1.example.ac.jp", "test1.lab.example.ac.jp")
    chosen = approved(world, "test2.example.ac.jp", "test2.lab.example.ac.jp", line="承認 有効分のみ")
    for number in (stopped, chosen):
        assert plan(world, number, example_ac_jp=SAME) == []
    assert world.states(stopped) == ["approved", "approved"]
    assert world.states(chosen) == ["signing", "approved"]
    plan(world, chosen, example_ac_jp=SAME, lab_example_ac_jp=WhoisFact(("Lab",)))
    assert world.states(chosen) == ["signing", "signing"]


def test_a_changed_registrant_beside_a_silent_server_fails_at_once(world: DeskWorld) -> None:
    number = approved(world, "test1.example.ac.jp", "test1.lab.example.ac.jp")
    assert told(plan(world, number, lab_example_ac_jp=OTHER)) == {1: [], 2: [923]}


def test_a_row_with_one_changed_and_one_silent_domain_fails_at_once(world: DeskWorld) -> None:
    number = world.take(tsv_line("test1.example.ac.jp", c13="dNSName=test1.lab.example.ac.jp"))
    world.decide("承認", number)
    assert told(plan(world, number, lab_example_ac_jp=OTHER)) == {1: [922, 923]}


def test_a_changed_row_is_reported_as_that_whatever_whois_says(world: DeskWorld) -> None:
    number = approved(world)
    with writing(world.engine) as session:
        session.execute(update(Entry).values(software="changed"))
    assert told(plan(world, number, example_ac_jp=OTHER)) == {1: [931]}


@pytest.mark.parametrize("fact", [OTHER, UNREACHABLE])
def test_a_warning_desk_issues_and_tells_its_monitors_once(world: DeskWorld, fact: WhoisFact) -> None:
    world.desk = replace(world.desk, whois="warn")
    number = approved(world, "test1.example.ac.jp", "test2.example.ac.jp")
    (alarm,) = plan(world, number, example_ac_jp=fact)
    assert alarm.to == "monitor@example.ac.jp"
    assert isinstance(alarm.letter, MonitorAlarm)
    assert f"{number}, SEQ [1, 2]" in alarm.letter.detail
    assert alarm.letter.detail.count("example.ac.jp: 92") == 1
    assert world.states(number) == ["signing", "signing"]
    assert plan(world, number, example_ac_jp=fact) == []


def test_a_warning_desk_is_silent_about_what_agrees(world: DeskWorld) -> None:
    world.desk = replace(world.desk, whois="warn")
    assert plan(world, approved(world), example_ac_jp=SAME) == []


def asked(world: DeskWorld, number: str) -> list[str]:
    with reading(world.engine) as session:
        application = session.get_one(Application, number)
        return sorted(d.name for d in domains_to_ask(world.context(session), application))


def test_only_the_domains_of_approved_rows_are_asked_for(world: DeskWorld) -> None:
    number = world.take(*(tsv_line(n) for n in ("a.example.ac.jp", "b.lab.example.ac.jp")))
    assert asked(world, number) == []
    world.decide("承認 1", number)
    assert asked(world, number) == ["example.ac.jp"]
    world.desk = replace(world.desk, whois="off")
    assert asked(world, number) == []


def test_a_desk_without_the_check_issues_whatever_whois_says(world: DeskWorld) -> None:
    world.desk = replace(world.desk, whois="off")
    number = approved(world)
    assert plan(world, number, example_ac_jp=OTHER) == []
    assert world.states(number) == ["signing"]
