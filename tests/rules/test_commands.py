"""Which words of an officer are a command, and whose words never are."""

import pytest

from bot.compose.words import LANGUAGES, Words
from handlers.rules.commands import Command, Topic, read_command
from handlers.rules.reasons import Reason
from tests.letters import DESK, SAMPLES, spoil

WORDS = Words(DESK)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("一覧", Command(Topic.INVENTORY)),
        ("inventory", Command(Topic.INVENTORY)),
        ("統計。", Command(Topic.STATISTICS)),
        ("STATISTICS", Command(Topic.STATISTICS)),
        ("許可リスト", Command(Topic.ALLOWLIST)),
        ("許可ﾘｽﾄ", Command(Topic.ALLOWLIST)),
        ("Allowlist", Command(Topic.ALLOWLIST)),
        ("状況", Command(Topic.STATUS)),
        ("状況\u3000A-20261122-0007", Command(Topic.STATUS, "A-20261122-0007")),
        ("状況 １９１１６４９", Command(Topic.STATUS, "1911649")),
        ("STATUS test1.example.ac.jp.", Command(Topic.STATUS, "test1.example.ac.jp")),
        ("再送 A-20261122-0007", Command(Topic.RESEND, "A-20261122-0007")),
        ("RESEND", Command(Topic.RESEND)),
        ("タイムスタンプ", Command(Topic.TIMESTAMP)),
        ("ﾀｲﾑｽﾀﾝﾌﾟ", Command(Topic.TIMESTAMP)),
        ("  ＨＥＬＰ  ", Command(Topic.HELP)),
        ("ヘルプ", Command(Topic.HELP)),
    ],
)
def test_a_line_of_its_own_is_a_command(line: str, command: Command) -> None:
    assert read_command(line) == command
    assert read_command(f"ご担当者様\n\n{line}\n\nよろしくお願いします。\n-- \n鈴木") == command


@pytest.mark.parametrize(
    "text",
    [
        "",
        "一覧をお願いします",
        "証明書の一覧",
        "状況 は 良好です",
        "再送 A-20261122-0007 を",
        "> 一覧",
        "> 再送 A-20261122-0007",
        "｜ 一覧",
        "| HELP",
        "──── Ringi A-20261122-0007 ────\n一覧\nHELP",
    ],
)
def test_other_words_and_quotes_are_none(text: str) -> None:
    assert read_command(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "一覧\n統計",
        "一覧\n一覧",
        "HELP\nヘルプ",
        "一覧\n承認",
        "状況\n却下: 連絡先が古い",
        "再送 A-20261122-0007\n却下",
        "承認\n却下: x\n一覧",
    ],
)
def test_AP3_two_commands_or_one_beside_a_decision_are_refused(text: str) -> None:
    assert read_command(text) is Reason.TWO_COMMANDS


@pytest.mark.parametrize("words", ["一覧", "状況 test1.example.ac.jp", "x\n再送 A-20261122-0007\nx", "HELP"])
def test_AP2_no_mail_of_ours_commands_when_it_is_quoted_even_without_its_marker(words: str) -> None:
    for name, letter in SAMPLES.items():
        if name.startswith("answer_") and name != "answer_no_code":
            continue
        for language in LANGUAGES:
            body = WORDS.write(spoil(letter, words), language).body
            assert read_command(body) is None, body
