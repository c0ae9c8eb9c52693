"""The table of row errors (manual 1-1-4 steps 5 and 7)."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.columns import (
    COLUMNS_OF,
    CONTACT_COLUMNS,
    ISSUE_COLUMNS,
    RENEW_COLUMNS,
    REVOKE_COLUMNS,
    Column,
    column_name,
    english_name,
)
from handlers.rules.error_words import all_words, codes_with_words
from handlers.rules.row_errors import Code, RowError, name_columns, row_error, show_value

CELL = re.compile(r"^(\d+):(?:(\d+)\.([^,]*))?,(.*)$")


def test_the_cell_is_the_manuals_to_the_letter() -> None:
    error = row_error(Code.ORGANIZATION, 1, "testkikan", "other")
    assert error.cell("ja") == "241:1.主体者DN,主体者DNの機関名が申請者の所属機関名ではありません。"


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        (
            Code.NOT_VETTED,
            "対象のドメインは許可されていないため発行できません。サービス窓口にお問い合わせください。",
            "サービス窓口にお問い合わせください。",
        ),
        (
            Code.APPROVAL_EXPIRED,
            "機関の証明書発行有効期限が切れています。サービス窓口にお問い合わせください。",
            "サービス窓口にお問い合わせください。",
        ),
        (
            Code.WHOIS_UNREACHABLE,
            "WHOISサーバへの接続に失敗しました。時間をおいて再度申請してください。"
            "再度申請しても接続に失敗するようでしたら、サービス窓口にお問い合わせください。",
            "時間をおいて再度申請してください。"
            "再度申請しても接続に失敗するようでしたら、サービス窓口にお問い合わせください。",
        ),
        (
            Code.WHOIS_DIFFERS,
            "WHOISサーバに登録されている情報と一致しません。サービス窓口にお問い合わせください。",
            "サービス窓口にお問い合わせください。",
        ),
        (
            Code.LOCALITY,
            "主体者DNのLが登録された値と一致しません。",
            "「UPKI証明書 主体者DNにおける ST および L の値一覧」をご参照のうえ、正しいLの値で申請してください。",
        ),
        (
            Code.STATE,
            "主体者DNのSTが登録された値と一致しません。",
            "「UPKI証明書 主体者DNにおける ST および L の値一覧」をご参照のうえ、正しいSTの値で申請してください。",
        ),
    ],
)
def test_the_manuals_messages_are_kept_to_the_letter(code: Code, text: str, remedy: str) -> None:
    error = row_error(code, None, "Chiyoda-ku", "Minato-ku")
    assert error.cell("ja") == f"{code}:,{text}"
    assert error.remedy("ja").startswith(remedy)


def test_every_code_has_words_and_every_words_a_code() -> None:
    assert codes_with_words() == {int(code) for code in Code}


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("column", [None, 1, 4, 7, 10, 13])
def test_every_error_renders_in_both_languages(code: Code, column: int | None) -> None:
    error = row_error(code, column, "甲", "乙")
    name = None if column is None else ISSUE_COLUMNS[column - 1]
    for language in ("ja", "en"):
        match = CELL.match(error.cell(language))
        assert match
        assert match[1] == str(int(code))
        assert match[2] == (None if column is None else str(column))
        assert match[3] == (name and (name.name if language == "ja" else name.english))
        for text in (match[4], error.cause(language), error.remedy(language)):
            assert text
            assert "\n" not in text
            assert not re.search(r"[{}]", text)
    assert not re.search(r"[ぁ-んァ-ヶ一-龠]", error.remedy("en").replace("甲", "").replace("乙", ""))


def test_both_languages_use_the_same_values() -> None:
    for words in all_words():
        places = [
            {field for text in says for _, field, _, _ in string.Formatter().parse(text) if field is not None}
            for says in (words["ja"], words["en"])
        ]
        assert places[0] == places[1] <= {"0", "1"}


def test_an_error_without_its_values_still_renders() -> None:
    for code in Code:
        for text in (RowError(code).cell("ja"), RowError(code).cause("en"), RowError(code).remedy("ja")):
            assert text


def test_a_code_may_say_different_things_of_different_columns() -> None:
    assert "DN形式" in row_error(Code.FORM, 1, "x").cell("ja")
    assert "メール形式" in row_error(Code.FORM, 10, "x").cell("ja")
    assert "FQDN" in row_error(Code.DUPLICATE, 11, "1").cause("ja")
    assert "鍵" in row_error(Code.DUPLICATE, 7, "1").cause("ja")
    assert "シリアル番号" in row_error(Code.DUPLICATE, 4, "1").cause("ja")


def test_warnings_begin_at_950() -> None:
    assert [code for code in Code if RowError(code).is_warning] == [code for code in Code if code >= 950]


def test_a_remedy_says_what_to_write() -> None:
    assert "「O=testkikan」と書いてください" in row_error(Code.ORGANIZATION, 1, "testkikan", "x").remedy("ja")
    assert "「L=Chiyoda-ku」" in row_error(Code.LOCALITY, 1, "Chiyoda-ku", "x").remedy("ja")
    assert 'Add "ST=Tokyo"' in row_error(Code.STATE_OR_LOCALITY_MISSING, 1, "ST", "Tokyo").remedy("en")


def test_a_name_from_another_grid_stays_as_it_is() -> None:
    error = RowError(201, 11, "利用者氏名")
    assert error.cell("ja").startswith("201:11.利用者氏名,")
    assert error.cell("en").startswith("201:11.利用者氏名,")


@pytest.mark.parametrize(
    ("columns", "ja", "en"),
    [
        (RENEW_COLUMNS, "失効対象証明書シリアル番号", "serial number of the certificate to revoke"),
        (REVOKE_COLUMNS, "失効対象証明書シリアル番号", "serial number of the certificate to revoke"),
        (CONTACT_COLUMNS, "シリアル番号", "certificate serial number"),
        (ISSUE_COLUMNS, "予約", "reserved"),
    ],
)
def test_column_4_has_the_name_that_its_kind_gives_it(columns: tuple[Column, ...], ja: str, en: str) -> None:
    error = row_error(Code.NOT_DIGITS, 4, columns=columns)
    assert error.cell("ja") == f"204:4.{ja},半角数字で入力してください。"
    assert error.cell("en") == f"204:4.{en},Not half-width digits."
    plain = (row_error(Code.NOT_DIGITS, 4), row_error(Code.ENCODING))
    assert name_columns(plain, columns) == (error, row_error(Code.ENCODING))


@pytest.mark.parametrize("columns", [*COLUMNS_OF.values(), CONTACT_COLUMNS])
def test_every_table_has_the_thirteen_columns_of_the_grid_with_names_in_both_languages(
    columns: tuple[Column, ...],
) -> None:
    assert [column.number for column in columns] == list(range(1, 14))
    assert [column_name(n, columns) for n in range(15)] == [None, *(c.name for c in columns), None]
    for column in columns:
        assert english_name(column.name) == column.english
        assert not (column.required and column.reserved)


def test_a_serial_in_hexadecimal_is_told_to_be_decimal() -> None:
    error = row_error(Code.NOT_DIGITS, 4, columns=RENEW_COLUMNS)
    assert "10進数" in error.remedy("ja")
    assert "decimal" in error.remedy("en")
    assert "10進数" not in row_error(Code.NOT_DIGITS, 2).remedy("ja")


def test_INJ1_what_cannot_be_seen_is_spelled_out() -> None:
    assert show_value("a\u202eb\u200b\n\x00") == "aU+202EbU+200BU+000AU+0000"
    assert show_value("東京　都") == "東京　都"
    assert show_value("x" * 500) == "x" * 200 + "…"


def test_INJ2_braces_in_a_value_are_only_braces() -> None:
    assert "{1} {x} {0.__class__}" in row_error(Code.NAME_FORM, 13, "{1} {x} {0.__class__}").cause("ja")


@given(st.sampled_from(list(Code)), st.lists(st.text(), max_size=4))
def test_no_value_makes_an_error_unreadable(code: Code, values: list[str]) -> None:
    error = row_error(code, 1, *values)
    for language in ("ja", "en"):
        for text in (error.cell(language), error.cause(language), error.remedy(language)):
            assert text.replace("\u3000", "").isprintable()
            assert len(text) < 1500
