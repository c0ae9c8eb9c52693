"""The words and the values agree, and no mail of ours can be answered into a decision by quoting it (threats AP2)."""

import re
import unicodedata
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from jinja2 import meta

import mail_templates
from bot.compose.lines import CONTINUED, WIDTH, columns
from bot.compose.words import GLOBALS, LANGUAGES, Words, environment, load_alarms, load_reasons, source
from handlers.letters.monitor import AlarmCode
from handlers.notices import Letter
from handlers.rules.approval import read_decision
from handlers.rules.reasons import Reason
from handlers.rules.self_help import read_wish
from store.tables import Trouble
from store.troubles import TroubleKind, is_acute
from tests.corpus.wording import broken, marked
from tests.letters import DESK, SAMPLES, spoil

LETTERS = get_args(Letter)
HOME = Path(mail_templates.__file__).parent

# the manual's own sentences (1-1-4 step 6, 1-2-5, 1-2-9) stand to the letter, so they are longer than a line should be
MANUAL_SENTENCES = (
    "- 証明書発行処理が完了後、利用管理者様宛にワンタイムURL付き証明書発行案内メールを送信致します。",
    "- 証明書ダウンロードが完了後、登録担当者様宛にダウンロード完了案内メールを送信致しますのでお待ち下さい。",
    "登録担当者は、利用管理者から更新証明書への置き換え完了の報告を受けた後に、",
    "利用管理者の方がサーバ用更新証明書を取得してから2週間が経過いたしました。",
    "旧証明書から更新証明書へ置き換えた上で、速やかに失効申請をお願い申し上げます。",
)

# to the letter, though they hold a word that chooses a kind
_MANUAL_SUBJECTS = ("applicant.download", "applicant.revoked")

HOSTILE = (
    "承認",
    "承認します。",
    "失効承認",
    "再開",
    "却下: だめ",
    "保留：だめ",
    "approve",
    "APPROVE REVOCATION",
    "HOLD: x",
    "置き換え完了",
    "取下げ",
    "DECLINE: x",
    "x\n承認\nx",
    "x\r\n\r\nAPPROVE\r\n\r\nx",
    "x\u2028承認\u0085再開\x0b失効承認\x1e承認",
    "\u202e承認\u200b\u2066\x00",
    "x\n──── Ringi A-20261122-0007 ────\n承認",
    "{{ 7 * 191 }}{% for x in range(9) %}承認{% endfor %}",
    " ".join(f"{'x' * length} 承認" for length in range(40, 76)),
    " ".join(f"{'あ' * length} 却下: x" for length in range(20, 38)),
)
_DECISION = re.compile(
    r"(承認(します|いたします)?|失効承認|再開|APPROVE|APPROVE REVOCATION|RESUME)。?|(却下|保留|DECLINE|HOLD) ?:.*",
    re.I,
)


WRITER = Words(DESK)


# what an officer answers
_REQUESTS = ("officer.approval_request", "officer.batch", "officer.reminder")

# answers and alarms differ by their code's own words, so one hostile word is enough for all of them
_SHAPES = {"answer_approved", "answer_no_code", "answer_held", "answer_lapsed", "answer_lost"}
_SHAPES |= {"alarm_whois", "trouble_disk", "trouble_own_key", "recovered_disk"}
_BY_CODE = ("answer_", "alarm_", "trouble_", "recovered_")


@cache
def _bodies(words: str) -> list[str]:
    names = [n for n in SAMPLES if words == HOSTILE[0] or not n.startswith(_BY_CODE) or n in _SHAPES]
    spoilt = [spoil(SAMPLES[name], words) for name in names]
    return [WRITER.write(letter, language).body for letter in spoilt for language in LANGUAGES]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_has_its_template_and_no_template_is_orphaned(language):
    found = {path.name.removesuffix(".txt") for path in (HOME / language).glob("[!_]*.txt")}
    assert found == {letter.template for letter in LETTERS}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.template)
def test_placeholders_are_exactly_the_fields_of_the_letter(letter, language):
    made = environment(language, DESK)
    used = meta.find_undeclared_variables(made.parse(source(made, f"{letter.template}.txt")))
    assert used - GLOBALS == {field.name for field in fields(letter)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_shared_pieces_know_nothing_but_what_they_are_given(language):
    made = environment(language, DESK)
    for name in made.list_templates(filter_func=lambda name: name.startswith("_")):
        assert meta.find_undeclared_variables(made.parse(source(made, name))) <= GLOBALS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_says_what_happened_and_what_to_do(language):
    words = load_reasons(language)
    assert set(words) == set(Reason)
    for reason, says in words.items():
        assert set(says) == {"what", "todo"}, reason
        assert all(says.values()), reason


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_alarm_says_what_happened_and_what_to_do_and_fits_the_digest(language):
    words, first = load_alarms(language), environment(language, DESK).filters["alarm_next"]
    codes = {code.value for code in (*AlarmCode, *TroubleKind)}
    assert set(words) == codes
    for code, says in words.items():
        assert set(says) == {"title", "what", "todo"}, code
        assert all(says.values()), code
        if code in set(TroubleKind):
            assert columns(f"　　すること: {first(code)}") <= WIDTH, code


def test_every_alarm_stands_in_the_operations_manual():
    manual = (HOME.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    part = manual[manual.index("## Alarms") : manual.index("## Logs")]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    named = [code for row in rows for code in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(code.value for code in (*AlarmCode, *TroubleKind))
    acute = {row.split("`")[1] for row in rows if row.endswith("* ")}
    always = {kind for kind in TroubleKind if is_acute(Trouble(kind=kind, stage=0))}
    assert acute == always


def test_every_letter_and_every_reason_stands_among_the_samples():
    assert {type(letter) for letter in SAMPLES.values()} == set(LETTERS)
    assert {getattr(letter, "reason", None) for letter in SAMPLES.values()} >= set(Reason)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_of_every_template_fit_a_mail(language):
    made = environment(language, DESK)
    tag = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
    for name in made.list_templates(extensions=["txt"]):
        for line in tag.sub("", source(made, name)).splitlines():
            assert columns(line) <= WIDTH or line in MANUAL_SENTENCES, f"{name}: {line}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_tsv_sent_in_reply_to_us_is_not_taken_for_another_kind_or_for_a_dry_run(language):
    """Words in a subject choose the kind and the dry run, and a reply carries our subject."""
    for name, letter in SAMPLES.items():
        subject = WRITER.write(letter, language).subject
        if not letter.template.startswith("applicant.") or letter.template in _MANUAL_SUBJECTS:
            continue
        assert not re.search("発行|更新|失効|ISSUE|RENEW|REVOKE", subject, re.I), subject
        assert bool(re.search("確認|DRY-RUN", subject, re.I)) == (name == "refused_dry"), subject


@pytest.mark.parametrize("words", HOSTILE)
def test_AP2_no_mail_of_ours_decides_when_it_is_quoted_even_without_its_marker(words):
    """Quoted with `>` in front, without it, and in an answer that lost the marker line."""
    for body in _bodies(words):
        for quoted in (body, "".join(f"> {line}\n" for line in body.splitlines())):
            reading = read_decision(f"お世話になっております。\n{quoted}")
            assert reading.fault is Reason.NO_DECISION, quoted
            assert read_wish(quoted) is None, quoted
            for line in quoted.splitlines():
                folded = unicodedata.normalize("NFKC", line).strip()
                assert not _DECISION.fullmatch(folded), line


@pytest.mark.parametrize(("width", "at_blanks"), [(66, True), (72, True), (72, False)])
def test_AP2_no_request_of_ours_decides_when_a_program_breaks_its_quote(width, at_blanks):
    """Some break the lines that they quoted, at a blank or anywhere: the rest stands there without a mark."""
    names = [name for name, letter in SAMPLES.items() if letter.template in _REQUESTS]
    assert len(names) >= len(_REQUESTS)
    for words in HOSTILE[-2:]:
        for name in names:
            body = WRITER.write(spoil(SAMPLES[name], words), "ja").body
            quote = broken(marked(body), width, at_blanks=at_blanks)
            assert quote != marked(body), name
            assert read_decision(f"お名前は?\n\n{quote}").fault is Reason.NO_DECISION, quote
            assert read_decision(f"承認\n\n{quote}").decision is not None, quote


@pytest.mark.parametrize("words", HOSTILE)
def test_AP2_no_mail_of_ours_is_so_wide_that_a_mail_program_would_break_its_lines(words):
    """A line that a program breaks may leave a person's words alone on the next one."""
    whole = re.compile(r"Row-\d|　CN=|　https://")
    for body in _bodies(words):
        for line in body.splitlines():
            assert columns(line) <= WIDTH or whole.match(line) or line in MANUAL_SENTENCES, line


def test_INJ2_template_syntax_in_a_value_stays_text():
    for body in _bodies("{{ 7 * 191 }}"):
        assert "1337" not in body
    assert any("{{ 7 * 191 }}" in body for body in _bodies("{{ 7 * 191 }}"))


def test_the_hostile_words_do_arrive_in_every_kind_of_letter():
    """Otherwise the tests above would prove nothing."""
    for name, letter in SAMPLES.items():
        body = WRITER.write(spoil(letter, "毒だんご"), "ja").body
        assert "毒だんご" in body, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_a_letter_carries_is_shown_in_some_mail(language):
    """A placeholder in a condition alone would satisfy the test of placeholders."""
    for kind in LETTERS:
        letters = [letter for letter in SAMPLES.values() if type(letter) is kind]
        for field in fields(kind):
            marked = [
                replace(x, **{field.name: "毒だんご"}) for x in letters if type(getattr(x, field.name)) is str
            ]
            shown = [WRITER.write(letter, language) for letter in marked]
            assert not shown or any("毒だんご" in w.body for w in shown), f"{kind.template}: {field.name}"


def test_a_person_s_words_are_continued_behind_a_bar():
    letter = spoil(SAMPLES["declined"], "長い理由 " * 40)
    body = WRITER.write(letter, "ja").body
    reason = body[body.index("理由: ") :].splitlines()
    assert reason[1].startswith(f"{CONTINUED}長い理由")
