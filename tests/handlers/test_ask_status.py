"""状況 FQDN by an applicant: only the stored address learns anything."""

from handlers.letters.applicant import ApplicantStatus
from handlers.rules.reasons import Reason
from tests.applications import APPLICANT, DeskWorld, a_mail, letters, tsv_line
from tests.handlers.test_kinds import issued

NAME = "test1.example.ac.jp"


def test_the_contact_hears_where_things_stand(world: DeskWorld) -> None:
    serial = issued(world)
    handled = world.receive(a_mail(text=f"状況 {NAME}\n", subject="質問"))
    assert (handled.reason, letters(handled)) == (Reason.STATUS_SENT, [(APPLICANT, "applicant.status")])
    letter = handled.notices[0].letter
    assert isinstance(letter, ApplicantStatus)
    assert [c.serial for c in letter.certificates] == [serial]
    assert len(letter.entries) == 1


def test_somebody_else_learns_nothing_and_the_stored_contact_gets_the_answer(world: DeskWorld) -> None:
    issued(world)
    asked = world.receive(
        a_mail(sender="curious@example.ac.jp", text=f"STATUS {NAME.upper()}\n", subject="?")
    )
    assert letters(asked) == [(APPLICANT, "applicant.status"), ("curious@example.ac.jp", "applicant.help")]
    unknown = world.receive(
        a_mail(sender="curious@example.ac.jp", text="STATUS nothing.example.ac.jp\n", subject="?")
    )
    assert letters(unknown) == [("curious@example.ac.jp", "applicant.help")]
    assert unknown.notices[-1].letter == asked.notices[-1].letter


def test_two_contacts_each_hear_of_their_own(world: DeskWorld) -> None:
    first = issued(world, tsv_line(c10="a@example.ac.jp"))
    world.take(tsv_line(c4=str(first), c10="b@example.ac.jp"), subject="更新")
    handled = world.receive(a_mail(text=f"状況 {NAME}\n", subject="?"))
    told = {n.to: n.letter for n in handled.notices if isinstance(n.letter, ApplicantStatus)}
    assert {to: (len(x.entries), len(x.certificates)) for to, x in told.items()} == {
        "a@example.ac.jp": (1, 1),
        "b@example.ac.jp": (1, 0),
    }


def test_strangers_quotes_and_machines_get_nothing(world: DeskWorld) -> None:
    issued(world)
    assert world.receive(a_mail(sender="evil@example.org", text=f"状況 {NAME}\n", subject="?")).notices == ()
    assert world.receive(a_mail(text=f"> 状況 {NAME}\n", subject="?")).reason is Reason.HELP
    assert world.receive(a_mail(text=f"状況 {NAME}\n", subject="?", automatic="list-id")).notices == ()


def test_nothing_is_mailed_outside(world: DeskWorld) -> None:
    issued(world, tsv_line(c10="gone@example.org"))
    handled = world.receive(a_mail(text=f"状況 {NAME}\n", subject="?"))
    assert "gone@example.org" not in [to for to, _ in letters(handled)]
