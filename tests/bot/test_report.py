"""What delivery reports say of our mails, in the forms of many servers; and what says nothing (threats LP2)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.mime.limits import DEPTH
from handlers.rules.delivery import Action, DeliveryReport
from handlers.rules.reasons import Reason
from tests.bot.mail_building import read
from tests.delivery_reports import HANAKO, MESSAGE_ID, OTHERS, REPORTS, postfix


def report(raw: bytes) -> DeliveryReport:
    found = read(raw).report
    assert found is not None
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_LP2_a_report_names_the_mail_the_recipient_and_what_became_of_it(name: str) -> None:
    sample = REPORTS[name]
    found = report(sample.raw)
    assert MESSAGE_ID in found.message_ids
    said = found.about(HANAKO)
    assert said is not None
    assert (said.action, said.status) == (sample.action, sample.status)
    assert sample.says in said.diagnostic
    assert "\n" not in said.diagnostic


@pytest.mark.parametrize("name", OTHERS)
def test_LP2_answering_machines_receipts_and_people_report_nothing(name: str) -> None:
    assert read(OTHERS[name].raw).report is None


def test_LP2_what_came_back_counts_and_not_what_our_mail_answered() -> None:
    assert report(REPORTS["qmail"].raw).message_ids == (MESSAGE_ID,)


@pytest.mark.parametrize("name", ["postfix", "qmail", "gmail", "microsoft 365", "icloud, its text alone"])
def test_LP2_an_older_mail_of_the_thread_is_not_the_one_that_came_back(name: str) -> None:
    older = f"References: <older@example.ac.jp> {MESSAGE_ID}\r\nIn-Reply-To: {MESSAGE_ID}\r\n"
    raw = re.sub(rb"(?m)^(?:References|In-Reply-To): <01.*\n", b"", REPORTS[name].raw)
    assert report(older.encode() + raw + b"\r\n").message_ids == (MESSAGE_ID,)
    quote = b"\r\n> Message-ID: <older@example.ac.jp>\r\n"
    assert report(older.encode() + raw.replace(b"=E8", quote + b"=E8")).message_ids == (MESSAGE_ID,)


def test_LP2_a_report_from_an_address_that_nobody_could_answer_is_still_read() -> None:
    mail = read(REPORTS["sendmail"].raw)
    assert mail.fault is Reason.BAD_FROM
    assert mail.report is not None


def test_LP2_a_report_that_was_cut_is_still_read() -> None:
    raw = REPORTS["postfix"].raw
    mail = read(raw[: raw.index(b"In-Reply-To")])
    assert mail.fault is Reason.UNREADABLE
    assert mail.report is not None
    assert mail.report.message_ids == (MESSAGE_ID,)


def test_LP2_another_recipient_of_the_report_is_another_recipient() -> None:
    raw = postfix(final="taro@example.jp", original="").encode()
    assert report(raw).about(HANAKO) is None


def test_LP2_the_address_from_before_a_forward_is_ours() -> None:
    said = report(postfix(final="hanako@moved.example.jp").encode()).about(HANAKO.upper())
    assert said is not None
    assert said.action is Action.FAILED


def test_LP2_an_address_in_xtext_is_the_plain_one() -> None:
    raw = postfix(
        final="x@example.jp", original="Original-Recipient: rfc822;hanako+2Btest@example.jp\n"
    ).encode()
    assert report(raw).about("hanako+test@example.jp") is not None


def test_LP2_an_address_with_a_detail_that_looks_like_xtext_is_itself() -> None:
    assert report(postfix(final="hanako+2024@example.jp", original="").encode()).about(
        "hanako+2024@example.jp"
    )


def test_LP2_of_two_lines_about_one_address_the_failure_counts() -> None:
    block = (
        "\nFinal-Recipient: rfc822; hanako@example.jp\nAction: delivered\nStatus: 2.0.0\n\nFinal-Recipient:"
    )
    raw = postfix().replace("\nFinal-Recipient:", block, 1).encode()
    said = report(raw).about(HANAKO)
    assert said is not None
    assert said.action is Action.FAILED


def test_LP2_a_status_speaks_where_no_action_is_given() -> None:
    said = report(postfix().replace("Action: failed\n", "").encode()).about(HANAKO)
    assert said is not None
    assert said.action is Action.FAILED


def test_INJ1_a_diagnostic_is_one_clean_line() -> None:
    hostile = "550 \x1b[31m\u202e承認\u200b\x00 =?utf-8?B?" + "DQrmib/oqo0=" + "?= " + "x" * 5000
    said = report(postfix(diagnostic=hostile).encode()).about(HANAKO)
    assert said is not None
    assert not set(said.diagnostic) & set("\x1b\u202e\u200b\x00\r\n")
    assert len(said.diagnostic) <= 300


def test_DOS1_a_report_of_very_many_recipients_is_read_only_so_far() -> None:
    blocks = "".join(f"\nFinal-Recipient: rfc822; {n}@example.jp\nAction: failed\n" for n in range(1000))
    raw = postfix().replace("\nFinal-Recipient:", blocks + "\nFinal-Recipient:", 1).encode()
    assert len(report(raw).recipients) == 49


def test_DOS1_a_report_in_too_many_wrappings_is_not_read() -> None:
    raw = postfix().encode()
    for depth in range(DEPTH):
        head = (
            f"From: MAILER-DAEMON@x.example\nContent-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\n"
        )
        raw = head.encode() + raw + f"\n--b{depth}--\n".encode()
    assert read(raw).report is None


@given(st.sampled_from(sorted(REPORTS)), st.data())
def test_no_change_to_a_report_makes_the_reader_raise(name: str, data: st.DataObject) -> None:
    raw = bytearray(REPORTS[name].raw)
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 60)))
        piece = data.draw(
            st.binary(max_size=40) | st.sampled_from([b"\n\n", b"<", b"--=_b\n", b"\x1b$B", b"=?"])
        )
        raw[start:end] = piece
    found = read(bytes(raw)).report
    assert found is None or all("\n" not in said.diagnostic for said in found.recipients)
