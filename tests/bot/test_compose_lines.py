"""Lines of a mail: one line stays one line, and long ones are folded as Japanese is."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.compose.lines import CONTINUED, WIDTH, columns, fold_value, one_line

VALUES = st.text(st.sampled_from("あ漢ア、。「」()abc 0\u3000―｜x"), max_size=300)


@given(VALUES)
def test_folding_changes_nothing_but_where_lines_end(text):
    line = one_line(text)
    folded = fold_value(line)
    assert all(columns(part) <= WIDTH for part in folded)
    indent = line[: len(line) - len(line.lstrip())]
    later = [part.removeprefix(indent + CONTINUED) for part in folded[1:]]
    assert all(part.startswith(indent + CONTINUED) for part in folded[1:])
    assert "".join([folded[0], *later]).replace(" ", "").replace("\u3000", "") == line.replace(
        " ", ""
    ).replace("\u3000", "")


def test_no_line_begins_with_a_closing_sign_or_ends_with_an_opening_one():
    sentence = (
        "「UPKI証明書 主体者DNにおける ST および L の値一覧」をご参照のうえ、正しいSTの値で申請してください。"
    )
    for shift in range(1, 60):
        for line in fold_value("あ" * shift + "、" + sentence * 3):
            text = line.removeprefix(CONTINUED)
            assert text[0] not in "。、」)ー"
            assert text[-1] not in "「("


@given(st.text())
def test_INJ1_one_line_is_one_line_that_shows_all_it_holds(text):
    clean = one_line(text)
    assert len(clean.splitlines()) <= 1
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]", clean
    )


def test_a_number_stays_with_what_it_counts_and_a_polite_prefix_with_its_word():
    for shift in range(1, 40):
        text = "\n".join(fold_value("漢" * shift + "を、7列目に、ご参照のうえ、お送りください。" * 3))
        assert "7\n" not in text
        assert "ご\n" not in text
        assert "お\n" not in text
