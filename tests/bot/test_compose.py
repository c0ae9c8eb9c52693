"""What leaves: frozen bytes that are the same mail to every program that reads them."""

import json
import re
from dataclasses import replace

import pytest

from bot.compose.mail import Composer
from bot.compose.words import SEPARATOR, is_authenticated
from handlers.incoming import Attachment
from handlers.letters.monitor import AlarmCode, MonitorAlarm
from handlers.notices import Notice
from handlers.rules.reasons import Reason
from tests.composed import HEAD, SHEET, TSV, compose, leaves, read, text_of
from tests.letters import CODE, DESK, EVIDENCE, NOW, NUMBER, REQUEST, SAMPLES, answer, spoil

# the manual's own mails: text and signature only
MANUAL = (
    "applicant.download",
    "applicant.revoked",
    "officer.downloaded",
    "officer.renewal_downloaded",
    "officer.revocation_reminder",
    "officer.revoked",
)


def test_a_mail_has_the_headers_people_and_programs_need():
    mail = read(compose(thread=("<first@example.ac.jp>", "<second@example.ac.jp>")))
    assert mail["From"] == "証明書受付 <upki@example.ac.jp>"
    assert mail["To"] == "taro@example.ac.jp"
    assert mail["Subject"] == f"[Ringi] 承認のお願い: test1.example.ac.jp 他1件 [{NUMBER}]"
    assert mail["Date"] == "Sun, 22 Nov 2026 10:15:00 +0900"
    assert mail["Message-ID"] == "<20261122.1@example.ac.jp>"
    assert mail["In-Reply-To"] == "<second@example.ac.jp>"
    assert mail["References"] == "<first@example.ac.jp> <second@example.ac.jp>"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Ringi-Number"] == NUMBER
    assert mail["X-Ringi-Journal"] == HEAD
    assert mail["X-Ringi-Loop"] == "testbot"


def test_a_mail_that_answers_nothing_says_so():
    mail = read(compose(SAMPLES["alarm_tampered"], number=None))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["In-Reply-To"] is None
    assert mail["References"] is None
    assert mail["X-Ringi-Number"] is None


@pytest.mark.parametrize("name", SAMPLES)
def test_every_mail_is_short_ascii_lines_ended_by_crlf(name):
    raw = compose(SAMPLES[name], "both", attachments=(SHEET, TSV), thread=("<a@example.ac.jp>",) * 30)
    raw.decode("ascii")
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", raw) is None
    headers, _, body = raw.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert all(
        len(line) <= 78 for line in headers.split(b"\r\n") if not line.startswith(b"X-Ringi-Journal: ")
    )
    assert not read(raw).defects


@pytest.mark.parametrize("name", SAMPLES)
def test_the_marker_line_is_the_first_line_and_stands_once(name):
    for language in ("ja", "en", "both"):
        body = text_of(compose(SAMPLES[name], language))
        assert body.splitlines()[0] == f"──── Ringi {NUMBER} ────"
        assert body.count("──── Ringi") == 1
    assert text_of(compose(SAMPLES[name], number=None)).splitlines()[0] == "──── Ringi ────"


def test_both_languages_stand_in_one_mail_and_one_subject():
    raw = compose(language="both")
    japanese, english = text_of(raw).split(f"\n{SEPARATOR}\n")
    assert text_of(compose()).startswith(japanese)
    assert english.strip() in text_of(compose(language="en"))
    assert read(raw)["Subject"] == (
        "[Ringi] 承認のお願い: test1.example.ac.jp 他1件"
        f" / Please approve: test1.example.ac.jp and 1 more [{NUMBER}]"
    )


def test_the_same_arguments_give_the_same_bytes():
    assert compose(attachments=(SHEET,)) == compose(attachments=(SHEET,))


def test_the_request_holds_its_parts_in_the_order_an_officer_needs_them():
    body = text_of(compose())
    places = [
        "\n対象: test1.example.ac.jp 他1件\n",
        "\n差出人: hanako@example.ac.jp\n",
        "\n審査の期限: 2026年12月7日(月)\n",
        "\n｜ 承認\n",
        "\n｜ 却下: 理由\n",
        "\n｜ 保留: 理由\n",
        "\n□ 利用管理者の本人性",
        "送信ドメイン認証: 合格",
        "\nRow-1 0123456789abcdef CN=test1.example.ac.jp\n",
        "例え.example.ac.jp",
        "\nRow-2 ",
        f"\nコード: {CODE}\n",
        f"sha256sum {NUMBER}.sheet",
    ]
    assert [body.index(place) for place in places] == sorted(body.index(place) for place in places)


def test_a_revocation_asks_for_its_own_word():
    body = text_of(compose(SAMPLES["request_revoke"]))
    assert "\n｜ 失効承認\n" in body
    assert "\n｜ 承認\n" not in body


def test_the_officer_is_warned_where_nothing_speaks_for_the_sender():
    for name in ("request_doubtful", "request_unknown"):
        assert "【注意】差出人が本物かどうか" in text_of(compose(SAMPLES[name]))
    assert "【注意】差出人が本物かどうか" not in text_of(compose())


@pytest.mark.parametrize(
    ("authentication", "speaks"),
    [
        ("mx; dmarc=pass header.from=example.ac.jp", True),
        ("mx; dkim=pass header.d=example.ac.jp", True),
        ("mx; dkim=pass header.d=evil.example.jp", False),
        ("mx; dkim=pass header.d=jp", False),
        ("mx; spf=pass smtp.mailfrom=example.ac.jp", False),
        ("mx; dmarc=fail; dkim=fail header.d=example.ac.jp", False),
        ('mx; spf=pass smtp.mailfrom="; dmarc=pass "@evil.example.jp', False),
        ("mx; dmarc=fail (p=none; dmarc=pass)", False),
        ("dmarc=pass", False),
        ("", False),
        (None, False),
    ],
)
def test_AU1_only_a_result_for_the_sender_s_own_domain_counts(authentication, speaks):
    assert is_authenticated(replace(EVIDENCE, authentication=authentication)) is speaks


def test_a_refusal_names_every_row_and_brings_cause_and_remedy():
    body = text_of(compose(SAMPLES["refused"]))
    assert "サーバ証明書 発行処理が以下のエラーにより正常終了しませんでした。" in body
    assert re.search(r"^SEQ +処理結果 +エラー内容$", body, re.M)
    assert re.search(r"^  1  OK$", body, re.M)
    assert re.search(
        r"^  2  NG\n　241:1\.主体者DN,主体者DNの機関名が申請者の所属機関名ではありません。$", body, re.M
    )
    assert body.count("原因: ") == body.count("対処方法: ") == 2


@pytest.mark.parametrize(("language", "words"), [("ja", "OK の行"), ("en", "marked OK")])
def test_a_refusal_of_a_single_row_does_not_speak_of_other_rows(language, words):
    refused = SAMPLES["refused"]
    assert words in text_of(compose(refused, language))
    assert words not in text_of(compose(replace(refused, rows=refused.rows[-1:]), language))


def test_an_approval_is_answered_with_the_manual_s_completion_sentences():
    body = text_of(compose(SAMPLES["answer_approved"]))
    assert "\nファイルのアップロード処理が完了しました。\n" in body
    assert (
        "証明書発行処理が完了後、利用管理者様宛にワンタイムURL付き証明書発行案内メールを送信致します。\n"
        in body
    )
    assert (
        "証明書ダウンロードが完了後、登録担当者様宛にダウンロード完了案内メールを送信致しますのでお待ち下さい。\n"
        in body
    )


@pytest.mark.parametrize("reason", [Reason.TWO_DECISIONS, Reason.BAD_SIGNATURE, Reason.HELD, Reason.ON_HOLD])
def test_an_answer_after_which_the_officer_may_write_again_brings_the_code_and_the_lines(reason):
    body = text_of(compose(answer(reason)))
    assert f"\nコード: {CODE}\nRow-1 " in body
    assert ("\n｜ 再開\n" in body) is (reason in (Reason.HELD, Reason.ON_HOLD))


@pytest.mark.parametrize("reason", [Reason.APPROVED, Reason.LAPSED, Reason.OWN_APPLICATION, Reason.REPEATED])
def test_an_answer_that_ends_the_matter_asks_for_nothing(reason):
    body = text_of(compose(answer(reason)))
    assert "｜" not in body
    assert CODE not in body


def test_programs_that_read_the_real_service_s_mails_find_its_blocks():
    """The patterns are those of a public reader of such mails."""
    for name in ("downloaded", "download"):
        body = text_of(compose(SAMPLES[name]))
        block = re.search(r"^【対象証明書DN】\n　-{45}\n((?:　[A-Z]+=.*\n)+)　-{45}$", body, re.M)
        assert block is not None
        assert block[1].split("\n")[0] == "　CN=test1.example.ac.jp"
        assert re.search(r"^【対象証明書シリアル番号】\n　(\d+)$", body, re.M)
    assert read(compose(SAMPLES["downloaded"]))["Subject"] == "サーバ証明書取得通知"
    assert read(compose(SAMPLES["download"]))["Subject"] == "[UPKI] サーバ証明書発行受付通知"
    assert leaves(compose(SAMPLES["downloaded"])) == [("text/plain", None)]
    assert leaves(compose(SAMPLES["download"])) == [("text/plain", None)]


def test_a_url_and_a_row_line_are_never_broken():
    wide = "x" * 63 + "." + "y" * 63 + ".example.ac.jp"
    entries = (replace(REQUEST.application.entries[0], row_line=f"Row-1 0123456789abcdef CN={wide}"),)
    body = text_of(compose(replace(REQUEST, application=replace(REQUEST.application, entries=entries))))
    assert f"\nRow-1 0123456789abcdef CN={wide}\n" in body
    url = "https://certs.example.ac.jp/" + "d" * 90
    download = SAMPLES["download"]
    letter = replace(download, downloads=(replace(download.downloads[0], url=url),))  # type: ignore[union-attr,call-arg]
    assert f"\n　{url}\n" in text_of(compose(letter))


def test_attachments_arrive_byte_for_byte_after_the_text():
    raw = compose(attachments=(SHEET, TSV))
    assert leaves(raw) == [
        ("text/plain", None),
        ("application/octet-stream", SHEET.name),
        ("text/plain", TSV.name),
        ("application/json", "ringi.json"),
    ]
    parts = [p.get_payload(decode=True) for p in read(raw).iter_attachments()]
    assert parts[:2] == [SHEET.data, TSV.data]


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\evil.tsv", "C__evil.tsv"),
        ('a"; x="b.tsv', "a__ x=_b.tsv"),
        ("a\r\nBcc: x@example.jp", "a Bcc_ x@example.jp"),
        ("gnp\u202evst.tsv", "gnpvst.tsv"),
        ("\x00", "attachment"),
        ("長" * 200 + ".tsv", "長" * 116 + ".tsv"),
    ],
)
def test_INJ5_an_attachment_name_is_never_a_path_or_a_header(name, left):
    raw = compose(attachments=(Attachment(name, "text/plain", b"x"),))
    assert leaves(raw)[1] == ("text/plain", left)
    assert read(raw)["Bcc"] is None


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed", "text/plain; charset=x\r\nBcc: y", ""])
def test_INJ5_an_attachment_of_a_strange_type_travels_as_plain_bytes(kind):
    raw = compose(attachments=(Attachment("a.eml", kind, b"From: x\r\n\r\ny"),))
    assert leaves(raw)[1] == ("application/octet-stream", "a.eml")


def test_INJ1_no_value_reaches_the_headers_uncleaned():
    bad = "x\r\nBcc: evil@example.jp\x00\x1b\x7f\x85\u202e\u200b\u2066\ufeff\u2028y"
    composer = Composer(DESK, bad, {})
    for letter in (spoil(letter, bad) for letter in SAMPLES.values()):
        notice = Notice("a@example.ac.jp\r\nBcc: b@x", "both", letter, None, bad, thread=(f"<{bad}@x>",))
        mail = read(composer.compose(notice, now=NOW, message_id=f"<{bad}>", journal_head=bad))
        assert mail["Bcc"] is None
        for value in mail.values():
            assert not re.search(
                "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", value
            )


def test_INJ1_only_message_ids_that_are_ones_are_answered():
    bad = ("<a b@x>", "no brackets", "<ä@x>", "<x@y>\r\nBcc: z", "<good@example.ac.jp>", f"<{'x' * 400}@y>")
    mail = read(compose(thread=bad))
    assert mail["References"] == "<good@example.ac.jp>"
    assert mail["In-Reply-To"] == "<good@example.ac.jp>"


def test_a_script_finds_stable_codes_and_no_free_text():
    attached = [p for p in read(compose(SAMPLES["refused"], number=None)).iter_attachments()]
    assert json.loads(attached[-1].get_content()) == {
        "schema": 1,
        "template": "applicant.refused",
        "number": None,
        "reason": "row_fault",
        "rows": [
            {"seq": 1, "result": "OK", "codes": []},
            {"seq": 2, "result": "NG", "codes": [241, 908]},
        ],
    }
    for letter in SAMPLES.values():
        facts = leaves(compose(letter))[1:]
        assert facts == ([] if letter.template in MANUAL else [("application/json", "ringi.json")])
        for part in read(compose(spoil(letter, "毒"))).iter_attachments():
            assert "毒" not in json.loads(part.get_content()).values()


@pytest.mark.parametrize(
    ("name", "reason", "rows"),
    [
        ("received", "taken", [1, 2]),
        ("received_dry", "checked", [1, 2]),
        ("refused_file", "file_fault", []),
        ("declined_part", "declined", [2]),
        ("held", "held", [1, 2]),
        ("resumed", "resumed", [1, 2]),
        ("lapsed", "lapsed", [1, 2]),
        ("answer_two_codes", "two_codes", [1, 2]),
        ("answer_lost", "no_code", []),
        ("decided_approve", "approved", [1, 2]),
        ("request", None, [1, 2]),
        ("alarm_tampered", "tampered", []),
    ],
)
def test_a_script_learns_what_happened_to_which_rows(name, reason, rows):
    facts = json.loads(list(read(compose(SAMPLES[name])).iter_attachments())[-1].get_content())
    assert facts["reason"] == reason
    assert [row["seq"] for row in facts["rows"]] == rows


@pytest.mark.parametrize("shift", range(80))
def test_no_line_begins_as_mail_stores_rewrite_it(shift):
    """`From ` becomes `>From ` in mbox and a lone dot ends a mail in SMTP: either breaks a signature."""
    letter = MonitorAlarm(AlarmCode.CRASHED, f"{'a' * shift}From here . .From .\n.")
    for line in compose(letter, number=None).partition(b"\r\n\r\n")[2].split(b"\r\n"):
        assert not line.startswith((b"From ", b"."))
        assert not line.endswith((b" ", b"\t"))
