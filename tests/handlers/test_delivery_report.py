"""Delivery reports mark the right row of the outbox, and a person who was not reached is raised (threats LP2)."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from handlers.delivery_report import raise_undelivered
from handlers.incoming import Attachment, IncomingMail, Scheme
from handlers.letters.officer import OfficerNotDelivered, UnreachedRow
from handlers.rules.delivery import Action, DeliveryReport, ReportedRecipient
from handlers.rules.reasons import Reason
from store import applications, journal, outbox
from store.states import EntryState, Filed, OutboxState
from store.tables import Application, Certificate, Outgoing
from store.transaction import writing
from tests.applications import APPLICANT, SUZUKI, DeskWorld, a_mail, letters, signed, tsv_line

MAIL = "<0123456789abcdef0123456789abcdef@example.ac.jp>"
OFFICERS = ["suzuki@example.ac.jp", "tanaka@example.ac.jp"]
DN = ("CN=test1.example.ac.jp", "O=testkikan", "L=Chiyoda-ku", "ST=Tokyo", "C=JP")
FULL = "552 5.2.2 mailbox full"


def bounce(
    action: Action = Action.FAILED, *ids: str, to: str = APPLICANT, status: str = "5.2.2", **changes: object
) -> IncomingMail:
    said = ReportedRecipient((to,), action, status, FULL)
    report = DeliveryReport(ids or (MAIL,), (said,))
    mail = a_mail(sender="mailer-daemon@example.jp", automatic="From", report=report)
    return replace(mail, **changes)  # type: ignore[arg-type]


def send(
    world: DeskWorld,
    template: str = "applicant.download",
    number: str | None = None,
    message_id: str = MAIL,
    to: str = APPLICANT,
    state: OutboxState = OutboxState.SENT,
) -> None:
    """A mail of ours that a server took, or that stands otherwise."""
    with writing(world.engine) as session:
        row = outbox.enqueue(
            session,
            recipient=to,
            template=template,
            message_id=message_id,
            number=number,
            data=b"",
            now=world.now,
        )
        row.state = state


def row(world: DeskWorld, message_id: str = MAIL) -> tuple[OutboxState, str | None]:
    with writing(world.engine) as session:
        (found,) = outbox.with_message_ids(session, [message_id])
        return found.state, found.error


def journalled(world: DeskWorld) -> list[str]:
    with writing(world.engine) as session:
        entries = [entry for entry in journal.entries(session) if entry.event == "delivery_report"]
        return [json.loads(entry.facts)["effect"] for entry in entries]


def issue(world: DeskWorld, number: str) -> None:
    with writing(world.engine) as session:
        entries = session.get_one(Application, number).entries
        steps = (EntryState.WAITING, EntryState.APPROVED, EntryState.SIGNING, EntryState.ISSUED)
        for before, after in pairwise(steps):
            applications.move_entries(session, entries, before, after)
        session.add(
            Certificate(
                entry=entries[0],
                issuer="0" * 64,
                serial="4711",
                not_before=world.now,
                not_after=world.now + timedelta(days=396),
                der=b"der",
                issued_at=world.now,
            )
        )


def test_LP2_a_certificate_that_nobody_received_is_raised_to_every_officer(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    issue(world, number)
    send(world, number=number)
    handled = world.receive(bounce())
    assert (handled.kind, handled.reason, handled.filed) == ("delivery report", Reason.AUTOMATIC, Filed.DONE)
    assert handled.number == number
    assert letters(handled) == [(officer, "officer.not_delivered") for officer in OFFICERS]
    letter = handled.notices[0].letter
    assert letter == OfficerNotDelivered(
        number,
        (UnreachedRow("test1.example.ac.jp", DN, 4711),),
        "佐藤 花子",
        APPLICANT,
        FULL,
        is_download=True,
        may_resend=True,
    )
    assert row(world) == (OutboxState.FAILED, FULL)
    assert journalled(world) == ["failed"]


def test_LP2_a_second_report_of_the_same_mail_tells_nobody(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, number=number)
    assert world.receive(bounce()).notices
    assert world.receive(bounce()).notices == ()
    assert journalled(world) == ["failed", "nothing"]


def test_LP2_a_new_url_that_does_not_arrive_either_is_told_again(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, number=number)
    send(world, number=number, message_id="<second@example.ac.jp>")
    world.receive(bounce())
    assert letters(world.receive(bounce(Action.FAILED, "<second@example.ac.jp>")))


def test_LP2_a_receipt_that_does_not_arrive_is_told_once_for_an_application(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, "applicant.received", number)
    send(world, "applicant.held", number, "<second@example.ac.jp>")
    told = world.receive(bounce())
    assert letters(told) == [(officer, "officer.not_delivered") for officer in OFFICERS]
    letter = told.notices[0].letter
    assert isinstance(letter, OfficerNotDelivered)
    assert (letter.is_download, letter.may_resend) == (False, False)
    assert world.receive(bounce(Action.FAILED, "<second@example.ac.jp>")).notices == ()
    assert row(world, "<second@example.ac.jp>")[0] is OutboxState.FAILED


def test_LP2_a_mail_to_a_stranger_to_the_rows_names_no_contact(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, "applicant.received", number, to="taro@example.ac.jp")
    letter = world.receive(bounce(to="taro@example.ac.jp")).notices[0].letter
    assert isinstance(letter, OfficerNotDelivered)
    assert letter.contact_name == ""
    assert letter.servers == (UnreachedRow("test1.example.ac.jp", DN, None),)


def test_LP2_help_that_does_not_arrive_is_told_to_nobody(world: DeskWorld) -> None:
    """A forged From would make us write to officers or monitors as often as the forger likes."""
    send(world, "applicant.help")
    assert world.receive(bounce()).notices == ()
    assert row(world)[0] is OutboxState.FAILED


def test_LP2_a_mail_that_did_not_reach_an_officer_alarms_the_monitors_once_a_day(world: DeskWorld) -> None:
    for message_id in ("<1@x>", "<2@x>"):
        send(world, "officer.approval_request", "A-20261122-0001", message_id, OFFICERS[0])
    first, second = (world.receive(bounce(Action.FAILED, id, to=OFFICERS[0])) for id in ("<1@x>", "<2@x>"))
    assert letters(first) == [("monitor@example.ac.jp", "monitor.alarm")]
    assert second.notices == ()
    world.now += timedelta(days=1, seconds=1)
    send(world, "officer.reminder", None, "<3@x>", OFFICERS[0])
    assert letters(world.receive(bounce(Action.FAILED, "<3@x>", to=OFFICERS[0])))


def test_LP2_an_alarm_that_comes_back_raises_no_alarm(world: DeskWorld) -> None:
    send(world, "monitor.alarm", to="monitor@example.ac.jp")
    assert world.receive(bounce(to="monitor@example.ac.jp")).notices == ()


def test_LP2_an_institution_that_left_is_raised_to_the_monitors(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, number=number)
    world.register = replace(world.register, institutions={})
    assert letters(world.receive(bounce())) == [("monitor@example.ac.jp", "monitor.alarm")]


def test_LP2_a_refusal_at_once_is_raised_like_a_report(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, number=number, state=OutboxState.FAILED)
    with writing(world.engine) as session:
        (outgoing,) = outbox.with_message_ids(session, [MAIL])
        told = raise_undelivered(world.context(session), outgoing)
    assert [notice.to for notice in told] == OFFICERS


def test_LP2_a_delay_is_noted_and_told_to_nobody(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, number=number)
    assert world.receive(bounce(Action.DELAYED, status="4.4.1")).notices == ()
    assert row(world) == (OutboxState.SENT, f"delayed: 4.4.1 {FULL}")
    assert letters(world.receive(bounce()))
    assert world.receive(bounce(Action.DELAYED)).notices == ()
    assert row(world) == (OutboxState.FAILED, FULL)


@pytest.mark.parametrize("action", [Action.DELIVERED, Action.RELAYED, Action.EXPANDED])
def test_LP2_what_arrived_is_only_journalled(world: DeskWorld, action: Action) -> None:
    send(world)
    assert world.receive(bounce(action)).notices == ()
    assert row(world) == (OutboxState.SENT, None)
    assert journalled(world) == ["nothing"]


def test_LP2_a_report_of_another_recipient_marks_nothing(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    send(world, number=number)
    assert world.receive(bounce(to="somebody@example.jp")).notices == ()
    assert row(world) == (OutboxState.SENT, None)
    assert journalled(world) == ["other_recipient"]


def test_LP2_a_report_without_a_mail_of_ours_marks_nothing_even_for_a_recipient_of_ours(
    world: DeskWorld,
) -> None:
    number = world.take(tsv_line())
    send(world, number=number)
    handled = world.receive(bounce(Action.FAILED, "<other@example.jp>"))
    assert (handled.kind, handled.notices, handled.number) == ("delivery report", (), None)
    assert row(world) == (OutboxState.SENT, None)
    assert journalled(world) == []


@pytest.mark.parametrize("state", [OutboxState.QUEUED, OutboxState.RETRY])
def test_LP2_a_report_keeps_back_no_mail_that_never_left(world: DeskWorld, state: OutboxState) -> None:
    send(world, state=state)
    assert world.receive(bounce()).notices == ()
    assert row(world) == (state, None)


@pytest.mark.parametrize("state", [OutboxState.UNKNOWN, OutboxState.SENDING])
def test_LP2_a_mail_whose_answer_was_lost_and_that_came_back_is_not_sent_again(
    world: DeskWorld, state: OutboxState
) -> None:
    send(world, state=state)
    world.receive(bounce())
    with writing(world.engine) as session:
        assert session.query(Outgoing).filter(Outgoing.state != OutboxState.FAILED).count() == 0


def test_LP2_a_validly_signed_mail_of_an_officer_is_never_a_report(world: DeskWorld) -> None:
    send(world)
    report = bounce().report
    handled = world.receive(signed("統計", automatic="Auto-Submitted", report=report))
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.statistics")]
    assert row(world) == (OutboxState.SENT, None)


def test_LP2_a_refused_signature_of_an_officer_is_no_report_either(world: DeskWorld) -> None:
    mail = bounce(
        refused_key=SUZUKI,
        signature_scheme=Scheme.OPENPGP,
        signature_fault=Reason.FROM_MISMATCH,
        automatic=None,
    )
    assert world.receive(mail).kind == "refused signature"
    assert world.receive(bounce(fault=Reason.UNREADABLE, signature_scheme=Scheme.SMIME)).kind == "unreadable"


def test_LP2_a_report_is_taken_though_its_sender_cannot_be_answered(world: DeskWorld) -> None:
    send(world, number=world.take(tsv_line()))
    assert letters(world.receive(bounce(fault=Reason.BAD_FROM, sender=None)))


def test_CSR5_a_report_that_returns_a_private_key_is_not_kept(world: DeskWorld) -> None:
    send(world)
    key = Attachment("key.pem", "text/plain", b"-----BEGIN PRIVATE " + b"KEY-----\nMIIE\n")
    handled = world.receive(bounce(attachments=(key,)))
    assert (handled.kind, handled.keep_raw) == ("private key", False)
