"""Reading decisions out of signed text: threats AP2, AP3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.approval import own_lines, read_decision
from handlers.rules.reasons import Reason
from store.states import Verb

CODE = "3f2a9b1c-00112233-44556677-8899aabb"
PLAIN = CODE.replace("-", "")
QUOTE = f"""──── Ringi A-20261122-0007 ────

鈴木様

次の行を書いて、署名して返信してください。
｜ 承認
｜ 却下: 理由

Row-1 0123456789abcdef CN=test1.example.ac.jp
コード: {CODE}
"""
ROW = (1, "0123456789abcdef" * 4, "CN=test1.example.ac.jp")
QUOTED = "".join(f"> {line}\n" for line in QUOTE.splitlines())
ATTRIBUTION = "2026年11月22日(日) 18:00 Ringi <ringi@example.ac.jp>:\n"


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("承認", Verb.APPROVE),
        ("承認。", Verb.APPROVE),
        ("承認します", Verb.APPROVE),
        ("承認します。", Verb.APPROVE),
        ("承認いたします。", Verb.APPROVE),
        ("　承認　", Verb.APPROVE),
        ("APPROVE", Verb.APPROVE),
        ("approve", Verb.APPROVE),
        ("ＡＰＰＲＯＶＥ", Verb.APPROVE),
        ("失効承認", Verb.APPROVE),
        ("却下: 所属が違います", Verb.DECLINE),
        ("却下：所属が違います", Verb.DECLINE),
        ("DECLINE: wrong department", Verb.DECLINE),
        ("保留: 確認中", Verb.HOLD),
        ("HOLD: asking", Verb.HOLD),
        ("再開", Verb.RESUME),
        ("RESUME", Verb.RESUME),
    ],
)
@pytest.mark.parametrize(
    "around",
    ["{line}\n\n" + ATTRIBUTION + QUOTED, QUOTED + "\n{line}\n", "○○様\n\n{line}\n\n-- \n鈴木\n" + QUOTED],
)
def test_each_form_is_read_wherever_it_stands(line: str, verb: Verb, around: str) -> None:
    reading = read_decision(around.replace("{line}", line))
    assert reading.decision is not None
    assert reading.decision.verb is verb
    assert reading.codes == (PLAIN,)
    assert {(row.seq, row.digest) for row in reading.quoted_rows} == {(1, "0123456789abcdef")}
    assert reading.quotes_only([ROW])


def test_AP2_outlook_quotes_without_marks_and_nothing_below_counts() -> None:
    text = (
        "承認\n\n-----Original Message-----\nFrom: Ringi\nSubject: 承認のお願い\n\n"
        + QUOTE
        + "\n却下: いいえ\n"
    )
    reading = read_decision(text)
    assert reading.decision is not None
    assert reading.decision.verb is Verb.APPROVE
    assert reading.codes == (PLAIN,)


OLD_HEADS = {
    "outlook": "From: 田中 <tanaka@example.ac.jp>\nSent: Sunday, November 22, 2026 10:15 AM\nTo: Ringi\n",
    "outlook, ja": "差出人: 田中\n送信日時: 2026年11月22日\n宛先: Ringi\n件名: RE: 承認のお願い\n",
    "outlook, wide": "差出人： 田中\n送信日時： 2026年11月22日\n",
    "outlook, blank lines": "差出人: 田中\n\n送信日時: 2026年11月22日\n\n",
    "outlook on a mac": "From: 田中\nDate: Sunday, 22 November 2026\n",
    "bold once": "*From:* 田中\n*Sent:* Sunday\n",
    "gmail, forwarded": "---------- Forwarded message ---------\nFrom: 田中\nDate: Sun\n",
    "ja, other": "送信者: 田中\n日時: 11/22\n",
    "notes": "送信元: 田中\n件名: RE\n",
    "apple mail, ja": "開始:\n\n差出人: 田中\n件名: RE\n日付: 2026年11月22日\n",
    "thunderbird, forwarded": "-------- Forwarded Message --------\nSubject: Re\nDate: Sun\nFrom: 田中\nTo: Ringi\n",
}


@pytest.mark.parametrize("head", OLD_HEADS.values(), ids=OLD_HEADS)
def test_AP2_a_colleagues_decision_quoted_without_marks_is_not_the_readers(head: str) -> None:
    assert read_decision(f"反対です。\n\n{head}\n承認\n\n{QUOTE}").fault is Reason.NO_DECISION
    # nor does it spoil the reader's own
    reading = read_decision(f"承認します\n\n{head}\n却下: 違います\n\n{QUOTE}")
    assert reading.decision is not None
    assert (reading.decision.verb, reading.codes) == (Verb.APPROVE, (PLAIN,))


BROKEN_HEADS = {
    "one line more": "From: Kenji TANAKA (Information Media Center)\n<tanaka@example.ac.jp>\nSent: Sunday\n",
    "two lines more": "差出人: 情報基盤センター\n証明書担当 田中\n<tanaka@example.ac.jp>\n送信日時: 11/22\n",
    "the name is a decision": "差出人: 情報基盤センター\n承認\n<tanaka@example.ac.jp>\n送信日時: 11/22\n",
    "the subject": "Subject: a long one about\ncertificates\nFrom: 田中\n",
}


@pytest.mark.parametrize("head", BROKEN_HEADS.values(), ids=BROKEN_HEADS)
def test_AP2_a_program_that_breaks_the_sender_s_line_hides_no_colleague(head: str) -> None:
    assert read_decision(f"反対です。\n\n{head}\n承認\n\n{QUOTE}").fault is Reason.NO_DECISION
    reading = read_decision(f"承認します\n\n{head}\n却下: 違います\n\n{QUOTE}")
    assert reading.decision is not None
    assert reading.decision.verb is Verb.APPROVE


def test_a_header_s_name_far_from_a_sender_begins_no_quote() -> None:
    text = f"差出人: 田中\n確認しました。\n電話もしました。\n問題ありません。\n日時: 11/22\n承認\n{QUOTED}"
    assert read_decision(text).decision is not None


LINE = "Row-1 0123456789abcdef"
OWN_ROWS = {
    "whole": f"> {LINE} CN=test1.example.ac.jp",
    "without its name": f"> {LINE}",
    "broken before the name": f"> {LINE}\n> CN=test1.example.ac.jp",
    "the name broken": f"> {LINE} CN=test1.exam\n> ple.ac.jp",
    "the name broken, the rest without a mark": f"> {LINE} CN=test1.example.\nac.jp",
    "a link made of it": f"> {LINE} CN=test1.example.ac.jp<http://test1.example.ac.jp>",
    "a link in its place": f"> {LINE} CN=https://links.example.com/?url=test1.example.ac.jp",
    "in capitals": f"> {LINE} CN=TEST1.example.ac.jp",
}
OTHER_ROWS = {
    "another name": f"> {LINE} CN=test2.example.ac.jp",
    "a longer name": f"> {LINE} CN=test1.example.ac.jp.example.com",
    "a shorter name": f"> {LINE} CN=test1.example.ac",
    "another name, a link": f"> {LINE} CN=test2.example.ac.jp<http://test1.example.ac.jp>",
    "another name on the next line": f"> {LINE}\n> CN=test2.example.ac.jp",
    "its own name after another": f"> {LINE} CN=test2.example.ac.jp CN=test1.example.ac.jp",
    "twice, once another": f"> {LINE} CN=test1.example.ac.jp\n> {LINE} CN=test2.example.ac.jp",
    "another digest": "> Row-1 0123456789abcdee CN=test1.example.ac.jp",
    "another number": "> Row-2 0123456789abcdef CN=test1.example.ac.jp",
}


@pytest.mark.parametrize("line", OWN_ROWS.values(), ids=OWN_ROWS)
def test_AP1_a_row_line_is_the_sheet_s_however_a_program_quotes_it(line: str) -> None:
    reading = read_decision(f"承認\n{line}\n> コード: {CODE}\n")
    assert reading.quoted_rows
    assert reading.quotes_only([ROW])


@pytest.mark.parametrize("line", OTHER_ROWS.values(), ids=OTHER_ROWS)
def test_AP1_a_row_line_with_another_digest_number_or_name_is_another_row(line: str) -> None:
    assert not read_decision(f"承認\n{line}\n> コード: {CODE}\n").quotes_only([ROW])


LONG = "> 　ソフトウェア: " + "x" * 51  # 67 columns


@pytest.mark.parametrize("rest", ["承認", "　承認します。", "却下: だめ", "APPROVE 1", "x\n承認"])
@pytest.mark.parametrize("above", [LONG, f"> {LONG}", "> " + "あ" * 31, "| " + "é" * 40])
def test_AP2_the_rest_of_a_quoted_line_that_a_program_broke_is_no_word_of_the_officer_s(
    above: str, rest: str
) -> None:
    if rest.startswith("x"):
        rest = rest.replace("x", "x" * 62)  # broken twice
    quoted = f"{above}\n{rest}\n> コード: {CODE}\n"
    assert read_decision(f"お名前は?\n\n{quoted}").fault is Reason.NO_DECISION
    reading = read_decision(f"承認\n\n{quoted}")
    assert reading.decision is not None
    assert reading.decision.verb is Verb.APPROVE


@pytest.mark.parametrize(
    "above", [f"{LONG}\n", f"{LONG}\n\n", f"> コード: {CODE}", f"{LONG}\n>", f"{LONG}\n> y", LONG[2:]]
)
def test_a_decision_below_a_quote_is_the_officer_s(above: str) -> None:
    reading = read_decision(f"{QUOTED}{above}\n承認\n")
    assert reading.decision is not None


def test_a_line_that_only_names_a_sender_begins_no_quote() -> None:
    for text in (
        f"差出人: 田中\n承認\n{QUOTED}",
        f"宛先: 鈴木\n件名: 承認の件\n承認\n{QUOTED}",
        f"From: here\n\nAPPROVE\n{QUOTED}",
    ):
        assert read_decision(text).decision is not None


@pytest.mark.parametrize("text", [QUOTE, QUOTED, ATTRIBUTION + QUOTED, "了解です\n" + QUOTED, ""])
def test_AP2_our_own_request_is_no_decision(text: str) -> None:
    assert read_decision(text).fault is Reason.NO_DECISION


@pytest.mark.parametrize(
    "line",
    [
        "承認しません",
        "承認しますが、3番は除いてください",
        "承認 よろしく",
        "承\u200b認",
        "\u202e承認",
        "承認?",
        "不承認",
        "APPROVED",
        "> 承認",
        "＞ 承認",
        "｜ 承認",
        "| 承認",
        "承認 1-",
        "承認 1,,2",
    ],
)
def test_AP3_what_is_not_in_the_table_is_no_decision(line: str) -> None:
    assert read_decision(f"{line}\n{QUOTED}").fault is Reason.NO_DECISION


@pytest.mark.parametrize("lines", ["承認\n却下: だめ", "承認\n承認", "APPROVE\n承認", "保留: a\n再開"])
def test_AP3_two_decisions_are_refused(lines: str) -> None:
    assert read_decision(f"{lines}\n{QUOTED}").fault is Reason.TWO_DECISIONS


@pytest.mark.parametrize("line", ["却下", "却下:", "保留：", "DECLINE", "却下 3"])
def test_a_reason_is_required(line: str) -> None:
    assert read_decision(f"{line}\n{QUOTED}").fault is Reason.REASON_MISSING


def test_rows_and_exceptions_are_read() -> None:
    reading = read_decision(f"承認 1-40,45 除く 3,7 有効分のみ\n{QUOTED}")
    decision = reading.decision
    assert decision is not None
    assert decision.faultless_only
    assert [seq for seq in range(1, 50) if decision.covers(seq)] == [
        s for s in [*range(1, 41), 45] if s not in (3, 7)
    ]
    assert decision.seqs_named() == {1, 40, 45, 3, 7}


def test_a_revocation_has_its_own_word() -> None:
    plain, revocation = read_decision("承認").decision, read_decision("APPROVE REVOCATION").decision
    assert plain is not None
    assert revocation is not None
    assert (plain.is_revocation, revocation.is_revocation) == (False, True)


def test_codes_of_two_sheets_are_both_seen() -> None:
    other = "00000000-11111111-22222222-33333333"
    assert len(read_decision(f"承認\n{CODE}\n{other}\n{CODE}").codes) == 2


@pytest.mark.parametrize(
    "quoted",
    [
        f"> コード: {CODE[:18]}\n> {CODE[18:]}",
        f"> > コード: {CODE.replace('-', ' ')}",
        f"コード:{CODE}",
    ],
)
def test_a_code_survives_wrapping_and_quoting(quoted: str) -> None:
    assert read_decision(f"承認\n{quoted}\n").codes == (PLAIN,)


@pytest.mark.parametrize("text", [PLAIN, "a" * 64, f"{CODE}-00000000", f"0{CODE}", CODE[:-1]])
def test_other_hex_is_no_code(text: str) -> None:
    assert read_decision(f"承認\n{text}\n").codes == ()


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    reading = read_decision(text)
    assert (reading.decision is None) == (reading.fault is not None)


@given(st.text(alphabet="承認却下保留再開:。 APROVE\n>|─Ringi0123456789-,"))
def test_near_misses_can_be_read(text: str) -> None:
    reading = read_decision(text)
    assert (reading.decision is None) == (reading.fault is not None)


def test_DOS1_a_line_that_is_too_long_to_be_a_decision_is_none() -> None:
    """Folding a run of combining marks takes square time: 130,000 of them some minutes."""
    assert own_lines("a" + "\u0301\u0323" * 65_000 + "\n承認") == ("承認",)
    # cut to its first words it would be one
    assert read_decision("承認" + " " * 2000 + "しません").fault is Reason.NO_DECISION
    assert read_decision("却下: " + "あ" * 900).decision is not None
    # a quote that goes on and on stays a quote, and a marker ends the text all the same
    assert read_decision("> " + "x" * 3000 + "\n\n承認").decision is not None
