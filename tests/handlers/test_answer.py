"""Mails that change nothing: answered once and usefully, or met with silence."""

from dataclasses import replace

import pytest

from handlers.incoming import Attachment, IncomingMail, Scheme
from handlers.rules.reasons import Reason
from store.states import Filed
from tests.applications import (
    APPLICANT,
    SUZUKI,
    DeskWorld,
    a_mail,
    an_application,
    letters,
    signed,
    tsv_line,
)


def refused(reason: Reason, **changes: object):  # type: ignore[no-untyped-def]
    fields = {"sender": "suzuki@example.ac.jp", "signature_fault": reason, "signature_scheme": Scheme.OPENPGP}
    return a_mail(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reason", [Reason.BAD_SIGNATURE, Reason.UNKNOWN_KEY, Reason.ENCRYPTED, Reason.PARTIAL_SIGNATURE]
)
def test_a_refused_signature_is_explained_to_the_officer(world: DeskWorld, reason: Reason) -> None:
    handled = world.receive(refused(reason))
    assert (handled.reason, handled.filed) == (reason, Filed.REFUSED)
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]


def test_PGP3_a_good_key_under_another_from_is_told_to_the_keys_owner(world: DeskWorld) -> None:
    mail = refused(Reason.FROM_MISMATCH, sender="evil@example.org", refused_key=SUZUKI)
    assert letters(world.receive(mail)) == [("suzuki@example.ac.jp", "officer.answer")]


def test_a_strangers_signature_gets_no_answer(world: DeskWorld) -> None:
    assert world.receive(refused(Reason.UNKNOWN_KEY, sender="evil@example.org")).notices == ()


def test_an_applicant_may_sign_with_any_key(world: DeskWorld) -> None:
    mail = an_application(tsv_line(), signature_fault=Reason.UNKNOWN_KEY, signature_scheme=Scheme.OPENPGP)
    assert world.receive(mail).reason is Reason.TAKEN


def test_LP1_automatic_mail_is_never_answered(world: DeskWorld) -> None:
    handled = world.receive(an_application(tsv_line(), automatic="auto-submitted"))
    assert (handled.reason, handled.notices) == (Reason.AUTOMATIC, ())


@pytest.mark.parametrize(
    "fault", [Reason.TOO_LARGE, Reason.TOO_COMPLEX, Reason.HEADER_TOO_LARGE, Reason.UNREADABLE]
)
def test_DOS1_what_is_over_the_limits_is_set_aside_and_people_are_told(
    world: DeskWorld, fault: Reason
) -> None:
    handled = world.receive(a_mail(fault=fault))
    assert handled.filed is Filed.QUARANTINE
    assert letters(handled) == [(APPLICANT, "applicant.help"), ("monitor@example.ac.jp", "monitor.alarm")]
    silent = world.receive(a_mail(fault=fault, sender="evil@example.org"))
    assert letters(silent) == [("monitor@example.ac.jp", "monitor.alarm")]


KEY = b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "mail",
    [
        a_mail(text=KEY.decode(), subject="質問"),
        an_application(tsv_line(), text=KEY.decode()),
        a_mail(Attachment("server.key", "application/octet-stream", KEY), subject="質問"),
        a_mail(Attachment("server.key", "application/octet-stream", KEY), sender="evil@example.org"),
        a_mail(text=KEY.decode(), automatic="Auto-Submitted"),
        signed(f"承認\n{KEY.decode()}"),
    ],
    ids=["text", "application", "question", "stranger", "automatic", "officer"],
)
def test_CSR5_a_private_key_is_not_kept_wherever_it_stands_and_whoever_sent_it(
    world: DeskWorld, mail: IncomingMail
) -> None:
    handled = world.receive(replace(mail, raw=b"as base64: " + str(mail.key.uid).encode()))
    assert (handled.reason, handled.keep_raw) == (Reason.PRIVATE_KEY, False)
    may_be_told = mail.automatic is None and str(mail.sender).endswith(".ac.jp")
    assert bool(handled.notices) == may_be_told


def test_help_comes_once_a_day(world: DeskWorld) -> None:
    mail = a_mail(subject="質問")
    first = world.receive(mail)
    assert letters(first) == [(APPLICANT, "applicant.help")]
    world.remember(mail, first)
    second = world.receive(a_mail(subject="質問"))
    assert (second.reason, second.notices) == (Reason.HELPED_TODAY, ())


def test_a_stranger_is_met_with_silence(world: DeskWorld) -> None:
    handled = world.receive(a_mail(sender="evil@example.org"))
    assert (handled.reason, handled.notices) == (Reason.STRANGER, ())
