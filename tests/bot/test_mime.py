"""What the outside of a mail says: sender, subject, thread, authentication; and the faults of a whole mail."""

import pytest

from bot.mime.limits import MAIL_BYTES
from bot.mime.read import oversized_mail
from handlers.rules.reasons import Reason
from tests.bot.mail_building import (
    HEADER,
    KEY,
    RECEIVED_AT,
    TEXT_PART,
    entity_of,
    multipart,
    read,
    signed,
    signed_mail,
)

ONE_MAILBOX = {
    "b@y.jp": "b@y.jp",
    "<B@Y.jp>": "b@y.jp",
    '"a@x.jp" <b@y.jp>': "b@y.jp",
    '"Uchida, Hikaru" <b@y.jp>': "b@y.jp",
    '"Uchida \\"Hikaru\\" <a@x.jp>" <b@y.jp>': "b@y.jp",
    '"内田, 光" <b@y.jp>': "b@y.jp",
    "内田 光 <b@y.jp>": "b@y.jp",
    "[外部] 内田 <b@y.jp>": "b@y.jp",
    "=?ISO-2022-JP?B?GyRCRmJFRBsoQg==?= <b@y.jp>": "b@y.jp",
    "=?utf-8?Q?Uchida,_Hikaru_=22a=40x=2Ejp=22?= <b@y.jp>": "b@y.jp",
    '"=?utf-8?B?5YaF55Sw?=" <b@y.jp>': "b@y.jp",
    "Hikaru Uchida (IT) <b@y.jp>": "b@y.jp",
    "b@y.jp (Hikaru Uchida)": "b@y.jp",
    "b@y.jp <B@y.jp>": "b@y.jp",
    "O'Brien <o'brien+tag@sub.y.jp>": "o'brien+tag@sub.y.jp",
    "Hikaru\r\n <b@y.jp>": "b@y.jp",
}
NOT_ONE_MAILBOX = (
    "officer@x.jp <evil@y.jp>",
    "officer@x.jp, evil@y.jp",
    "evil@y.jp, Officer <officer@x.jp>",
    "Officer <officer@x.jp> <evil@y.jp>",
    "<officer@x.jp> evil@y.jp",
    "officer@x.jp\r\n <evil@y.jp>",
    "Officer <officer@x.jp>;",
    "Group: officer@x.jp;",
    "<@relay.jp:officer@x.jp>",
    '"officer"@x.jp',
    "officer@x.jp@y.jp",
    "officer＠x.jp",
    "officer@x.jp\x00",
    "officer@x.jp\r <evil@y.jp>",
    'Officer" <officer@x.jp>',
    "officer@境.jp",
    "officer",
    "",
)


@pytest.mark.parametrize(("value", "address"), ONE_MAILBOX.items())
def test_ID1_the_sender_is_the_one_address_of_from(value: str, address: str) -> None:
    mail = read(b"From: " + value.encode() + b"\r\n\r\nx")
    assert (mail.sender, mail.fault) == (address, None)


@pytest.mark.parametrize("value", NOT_ONE_MAILBOX)
def test_ID1_a_from_that_two_programs_read_differently_is_nobody(value: str) -> None:
    mail = read(b"From: " + value.encode() + b"\r\n\r\nx")
    assert (mail.sender, mail.fault, mail.text) == (None, Reason.BAD_FROM, "")


def test_ID1_an_address_that_no_server_delivers_to_is_nobody() -> None:
    longest = "a@" + ".".join(["b" * 49] * 5) + "bbb"
    assert len(longest) == 254
    assert read(f"From: {longest}\r\n\r\nx".encode()).sender == longest
    assert read(f"From: {longest}b\r\n\r\nx".encode()).fault is Reason.BAD_FROM


def test_ID1_sender_and_reply_to_are_ignored() -> None:
    mail = read(b"Sender: c@z.jp\r\nReply-To: d@z.jp\r\nFrom: b@y.jp\r\n\r\nx")
    assert mail.sender == "b@y.jp"
    assert read(b"Sender: c@z.jp\r\nReply-To: d@z.jp\r\n\r\nx").sender is None


def test_ID1_a_name_in_raw_shift_jis_does_not_hide_the_address() -> None:
    # the second byte of 表 is a backslash
    assert read(b'From: "' + "表".encode("cp932") + b'" <b@y.jp>\r\n\r\nx').sender == "b@y.jp"


@pytest.mark.parametrize(
    "name",
    ["From", "Sender", "Reply-To", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"],
)
def test_SM7_a_header_that_stands_twice_is_refused(name: str) -> None:
    line = f"{name}: a@example.ac.jp\r\n".encode()
    other = b"" if name == "From" else b"From: a@example.ac.jp\r\n"
    assert read(other + line + b"\r\nx").fault is None
    mail = read(other + line + line.swapcase() + b"\r\nx")
    assert mail.sender == (None if name == "From" else "a@example.ac.jp")
    assert (mail.fault, mail.text) == (Reason.DUPLICATE_HEADER, "")


@pytest.mark.parametrize(
    "parameters",
    [
        "charset=utf-8; CHARSET=iso-2022-jp",
        "charset=utf-8; charset*=us-ascii''utf-8",
        "charset*0=utf; charset*0*=us-ascii''x",
        'charset="utf-8"; x=y; charset=utf-8',
    ],
)
def test_SM7_a_content_type_parameter_that_stands_twice_is_refused(parameters: str) -> None:
    part = f"Content-Type: text/plain; {parameters}\r\n\r\nx".encode()
    assert read(HEADER + part).fault is Reason.DUPLICATE_HEADER
    assert read(HEADER + multipart(b"mixed", b"m", part)).fault is Reason.DUPLICATE_HEADER


def test_SM7_headers_and_parameters_that_may_repeat_are_no_fault() -> None:
    raw = (
        b"Received: a\r\nReceived: b\r\n"
        + HEADER
        + b"Content-Type: application/x; name=a; name*=utf-8''%41\r\n\r\nx"
    )
    mail = read(raw)
    assert (mail.fault, mail.attachments[0].name) == (None, "A")


def test_the_subject_is_one_clean_line() -> None:
    words = "=?utf-8?B?5om/?= =?utf-8?B?6KqN?= =?utf-8?Q?=0D=0ABcc:_x=00?=\tand\u202e \u200bmore"
    assert read(HEADER.replace(b"Re: request", words.encode())).subject == "承認Bcc: x and more"


def test_a_character_cut_in_two_encoded_words_is_one_character() -> None:
    octets = "承".encode()
    words = f"=?utf-8?Q?={octets[0]:02X}?= =?utf-8?Q?={octets[1]:02X}={octets[2]:02X}?="
    assert read(HEADER.replace(b"Re: request", words.encode())).subject == "承"


def test_between_encoded_words_there_is_no_space_but_around_them_there_is() -> None:
    words = b"x =?utf-8?Q?a?=\t =?us-ascii?Q?b=3D_?=\r\n =?utf-8?B?Yw==?= y"
    assert read(HEADER.replace(b"Re: request", words)).subject == "x ab= c y"


def test_a_long_subject_is_cut_at_998_characters() -> None:
    assert read(HEADER.replace(b"Re: request", b"x" * 2000)).subject == "x" * 998


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (b"To: desk+Renew@example.ac.jp", "renew"),
        (b"To: a@example.jp, Desk <desk+issue@example.ac.jp>, x+y@example.jp", "issue"),
        (b"To: a@example.jp\r\nDelivered-To: desk+revoke@example.ac.jp", "revoke"),
        (b"To: a@example.jp\r\nX-Original-To: desk+revoke@example.ac.jp", "revoke"),
        (b"To: desk@example.ac.jp", None),
        (b"Cc: desk+issue@example.ac.jp", None),
    ],
)
def test_the_address_part_after_a_plus_is_found(header: bytes, detail: str | None) -> None:
    assert read(b"From: a@example.jp\r\n" + header + b"\r\n\r\nx").to_detail == detail


def test_the_thread_is_told_oldest_first_and_each_mail_once() -> None:
    header = b"Message-ID: <me@x>\r\nIn-Reply-To: <c@x>\r\nReferences: <a@x> junk\r\n <b@x>\t<a@x>\r\n"
    mail = read(b"From: a@example.jp\r\n" + header + b"\r\nx")
    assert (mail.message_id, mail.references) == ("<me@x>", ("<a@x>", "<b@x>", "<c@x>"))


def test_of_a_long_thread_the_newest_20_are_kept() -> None:
    ids = b"".join(b" <%d@x>" % n for n in range(50))
    mail = read(b"From: a@example.jp\r\nReferences:" + ids + b"\r\nIn-Reply-To: <49@x>\r\n\r\nx")
    assert mail.references == tuple(f"<{n}@x>" for n in range(30, 50))


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ((b"MX.example.ac.jp; dkim=pass\r\n header.d=x",), "MX.example.ac.jp; dkim=pass header.d=x"),
        ((b'"mx.example.ac.jp" 1; spf=fail',), '"mx.example.ac.jp" 1; spf=fail'),
        ((b"mx.example.ac.jp.evil.jp; dkim=pass",), None),
        ((b"evil.jp; x=mx.example.ac.jp; dkim=pass",), None),
        ((b"evil.jp; dkim=fail", b"mx.example.ac.jp; dkim=pass"), None),
        ((b"mx.example.ac.jp; dkim=fail", b"mx.example.ac.jp; dkim=pass"), "mx.example.ac.jp; dkim=fail"),
        ((), None),
    ],
)
def test_AU1_only_the_topmost_result_of_our_own_server_counts(
    headers: tuple[bytes, ...], value: str | None
) -> None:
    block = b"".join(b"Authentication-Results: " + h + b"\r\n" for h in headers)
    assert read(block + HEADER + b"\r\nx").authentication == value


def test_AU1_without_a_name_of_our_server_no_result_counts() -> None:
    raw = b"Authentication-Results: mx.example.ac.jp; dkim=pass\r\n" + HEADER + b"\r\nx"
    assert read(raw, authserv_id=None).authentication is None
    assert read(raw).authentication is not None


def test_a_broken_mail_is_unreadable() -> None:
    whole = HEADER + multipart(b"mixed", b"m", TEXT_PART)
    assert read(whole).fault is None
    assert read(whole.removesuffix(b"--m--\r\n")).fault is Reason.UNREADABLE
    assert read(whole.replace(b"boundary", b"border")).fault is Reason.UNREADABLE
    assert read(b"no header\r\n" + whole).fault is Reason.UNREADABLE


def test_a_broken_part_makes_the_mail_unreadable() -> None:
    inner = multipart(b"mixed", b"n", TEXT_PART)
    assert read(HEADER + multipart(b"mixed", b"m", inner)).fault is None
    assert read(HEADER + multipart(b"mixed", b"m", inner.replace(b"--n--", b""))).fault is Reason.UNREADABLE


def test_the_text_is_the_first_that_is_not_attached() -> None:
    named = TEXT_PART.replace(b"utf-8", b"utf-8; name=a.txt")
    mail = read(HEADER + multipart(b"mixed", b"m", named, b"\r\nfirst\rsecond", TEXT_PART))
    assert (mail.text, [a.name for a in mail.attachments]) == ("first\nsecond", ["a.txt"])


def test_an_attachment_has_a_short_name_and_a_type_of_two_words() -> None:
    mail = read(HEADER + b"Content-Type: odd; name=" + b"n" * 300 + b"\r\n\r\nx")
    (attachment,) = mail.attachments
    assert (attachment.name, attachment.content_type) == ("n" * 255, "application/octet-stream")


def test_the_parts_of_a_digest_are_mails() -> None:
    mail = read(HEADER + multipart(b"digest", b"d", b"\r\nFrom: a@example.jp\r\n\r\nx"))
    assert [a.content_type for a in mail.attachments] == ["message/rfc822"]


def test_a_broken_signed_mail_says_both() -> None:
    mail = read(signed_mail().removesuffix(b"--outer--\r\n"))
    assert (mail.fault, mail.signature_fault) == (Reason.UNREADABLE, Reason.BROKEN_SIGNED_MAIL)


def test_a_signed_mail_that_may_be_verified_has_no_fault_yet() -> None:
    mail = read(signed_mail())
    assert (mail.fault, mail.signature_fault, mail.signature, mail.signature_scheme) == (
        None,
        None,
        None,
        "openpgp",
    )
    nested = read(signed_mail(signed(boundary=b"inner")))
    assert nested.signature_fault is Reason.NESTED_SIGNATURE


def test_DOS2_archives_and_winmail_are_handed_on_unopened() -> None:
    archive = b"Content-Type: application/zip; name=a.zip\r\n\r\nPK\x03\x04"
    tnef = b"Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\nx\x9f\x3e\x22"
    mail = read(HEADER + multipart(b"mixed", b"m", TEXT_PART, archive, tnef))
    assert [(a.name, a.data) for a in mail.attachments] == [
        ("a.zip", b"PK\x03\x04"),
        ("winmail.dat", b"x\x9f\x3e\x22"),
    ]


def test_DOS1_a_mail_whose_body_was_not_fetched_has_a_sender_and_a_subject() -> None:
    mail = oversized_mail(HEADER + b"\r\n", MAIL_BYTES + 1, KEY, RECEIVED_AT)
    assert (mail.fault, mail.sender, mail.subject) == (
        Reason.TOO_LARGE,
        "officer@example.ac.jp",
        "Re: request",
    )
    assert (mail.text, mail.attachments, mail.key) == ("", (), KEY)


def test_DOS1_a_header_that_was_cut_gives_no_half_address() -> None:
    cut = oversized_mail(b"Subject: x\r\nFrom: officer@example.ac", MAIL_BYTES + 1, KEY, RECEIVED_AT)
    assert (cut.sender, cut.subject) == (None, "x")


def test_SM1_what_follows_the_last_boundary_is_not_read() -> None:
    raw = signed_mail().replace(b"--outer--\r\n", b"--outer--\r\nAPPROVE REVOCATION\r\n")
    assert b"REVOCATION" not in entity_of(raw).signed_bytes
    assert "REVOCATION" not in read(raw).text
