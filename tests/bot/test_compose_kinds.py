"""Renewals and revocations: the manual's mails to the letter, and what people must know before they answer."""

import re

import pytest

from tests.composed import compose, leaves, read, text_of
from tests.letters import CODE, NEW_SERIAL, OLD_SERIAL, SAMPLES, TOKEN


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("renewal_downloaded", "[UPKI] Webサーバ用証明書更新通知"),
        ("revocation_reminder", "サーバ証明書更新(旧証明書の失効申請)再通知"),
        ("revoked_officer", "サーバ証明書失効完了通知"),
        ("revoked_0", "サーバ証明書失効完了通知"),
    ],
)
def test_the_manual_s_mails_have_its_subjects_and_hold_text_only(name, subject):
    assert read(compose(SAMPLES[name]))["Subject"] == subject
    assert leaves(compose(SAMPLES[name])) == [("text/plain", None)]


def test_programs_that_read_the_real_service_s_mails_find_the_serials_and_the_reason():
    renewed = text_of(compose(SAMPLES["renewal_downloaded"]))
    assert f"\n【新証明書シリアル番号】\n　{NEW_SERIAL}\n" in renewed
    assert f"\n【旧証明書のシリアル番号】\n　{OLD_SERIAL}\n" in renewed
    assert re.search(r"^【対象証明書DN】\n　-{45}\n(?:　[A-Z]+=.*\n)+　-{45}$", renewed, re.M)
    for name in ("revoked_officer", "revoked_0"):
        revoked = text_of(compose(SAMPLES[name]))
        assert re.search(r"^【失効証明書DN】\n　-{45}\n(?:　[A-Z]+=.*\n)+　-{45}$", revoked, re.M)
        assert f"\n【失効証明書シリアル番号】\n　{OLD_SERIAL}\n" in revoked
        assert "\n【失効理由】\n　その他\n" in revoked
    reminder = text_of(compose(SAMPLES["revocation_reminder"]))
    assert f"\n【旧証明書のシリアル番号】\n　{OLD_SERIAL}\n" in reminder


def test_the_officer_is_asked_to_wait_and_only_where_there_is_something_to_revoke():
    valid, gone = (
        text_of(compose(SAMPLES[name])) for name in ("renewal_downloaded", "renewal_downloaded_old_gone")
    )
    assert valid.index("まだ失効させないでください。") < valid.index("TSVファイル")
    assert "TSV" not in gone
    assert "失効の手続きは必要ありません。" in gone


@pytest.mark.parametrize("days", [0, 7, 13])
def test_the_applicant_finds_the_word_and_the_token_on_lines_of_their_own(days):
    body = text_of(compose(SAMPLES[f"replace_day_{days}"]))
    assert "\n｜ 置き換え完了\n" in body
    assert f"\n照合番号: {TOKEN}\n" in body


def test_each_reminder_to_replace_begins_in_its_own_words():
    begins = {text_of(compose(SAMPLES[f"replace_day_{days}"])).split("\n")[4] for days in (0, 7, 13)}
    assert len(begins) == 3


def test_a_request_to_renew_says_what_changes_against_the_old_certificate():
    same, changed = text_of(compose(SAMPLES["request_renew"])).split("\nRow-2 ")
    assert f"　旧証明書のシリアル番号: {OLD_SERIAL}\n" in same
    assert "　旧証明書から変わるもの: 鍵ペアだけです\n" in same
    assert "鍵ペアだけです" not in changed
    assert "　・利用管理者氏名\n　　旧: 鈴木 一郎\n　　新: 佐藤 花子\n" in changed
    assert "　【注意】旧証明書は、すでに有効ではありません。\n" in changed


def test_a_request_to_revoke_says_what_why_and_that_it_cannot_be_undone():
    body = text_of(compose(SAMPLES["request_revoke"]))
    assert body.index("元には戻せません。") < body.index("\n｜ 失効承認\n")
    assert f"　失効対象証明書シリアル番号: {OLD_SERIAL}\n" in body
    assert "　失効理由: その他\n　コメント: サーバを廃止したため\n" in body
    assert "公開鍵" not in body
    assert "None" not in body


@pytest.mark.parametrize("name", ["request_urgent", "reminder_urgent"])
def test_a_compromised_key_is_urgent_in_the_subject_and_in_the_first_sentence(name):
    mail = compose(SAMPLES[name])
    assert str(read(mail)["Subject"]).startswith("【至急】[Ringi] ")
    assert text_of(mail).split("\n")[4].startswith("【至急】秘密鍵が危殆化")
    both = str(read(compose(SAMPLES[name], "both"))["Subject"])
    assert both.count("[Ringi]") == 1


def test_an_approved_revocation_promises_a_notice_and_no_download():
    body = text_of(compose(SAMPLES["answer_approved_revocation"]))
    assert "\nファイルのアップロード処理が完了しました。\n" in body
    assert "失効完了通知メール" in body
    assert "ダウンロード" not in body


@pytest.mark.parametrize("name", ["replaced", "reminder_issue", "reminder_revoke"])
def test_what_an_officer_may_answer_brings_the_code_and_the_row_lines(name):
    body = text_of(compose(SAMPLES[name]))
    assert f"\nコード: {CODE}\n" in body
    assert "\nRow-1 0123456789abcdef CN=test1.example.ac.jp\n" in body
    assert ("\n｜ 失効承認\n" in body) is (name != "reminder_issue")


@pytest.mark.parametrize("name", [n for n in SAMPLES if n.endswith(("_revoke", "_revocation"))])
def test_no_mail_about_a_revocation_speaks_of_a_certificate_to_come(name):
    text = text_of(compose(SAMPLES[name]))
    assert not re.search("発行され|発行します|発行できません|取得するためのURL", text), text
