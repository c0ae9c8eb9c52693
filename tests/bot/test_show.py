"""What commands print stays whole in a pipe, however long it is."""

import pytest

from bot.doctor.finding import Finding
from bot.explain import FileReport
from bot.show import print_file_report, print_findings
from handlers.rules.row_errors import RowError

LONG = "/srv/" + "a-long-name/" * 20 + "config.toml"


def test_every_finding_is_one_line_and_its_remedy_another(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([Finding("CA", False, f"{LONG} is missing", f"look into {LONG}")])
    assert capsys.readouterr().out == f"WRONG CA: {LONG} is missing\n      -> look into {LONG}\n"


def test_an_error_is_printed_whole_with_its_cause_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    error = RowError(241, 1, "主体者DN", ("testkikan", "x" * 200))
    print_file_report(FileReport("a.tsv", (), ((1, (error,), ()),)))
    printed = capsys.readouterr().out
    assert all(part in printed for part in (error.cell("ja"), error.cause("ja"), error.remedy("ja")))
    assert "…" not in printed
