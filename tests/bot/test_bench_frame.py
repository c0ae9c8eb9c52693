"""The benchmark's frame: what is told of figures and ratios, and the data that all cases are made of."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from bot import cli_bench
from bot.bench import cases
from bot.bench.cases import Case
from bot.bench.data import RsaKeys, ec_rows, fqdns, rsa_rows, tsv
from bot.bench.desk import make_desk
from bot.bench.meter import cpu_seconds, metered, peak_resident_bytes, percentile, resident_bytes
from bot.bench.picture import draw, score
from bot.bench.report import as_json, as_table
from bot.bench.result import BenchFault, Figure, Ratio, Result, Setting
from bot.cli import app
from handlers.rules.tsv import read_tsv
from tests.applications import NOW, TESTKIKAN, open_world

FLOOR = Ratio("a_ratio", 0.4, 0.5, is_floor=True)
RESULT = Result(
    "a", (Figure("rate", 1234.5, "rows/s"),), (FLOOR, Ratio("b_ratio", 0.9, 1, is_floor=False)), ("no x",)
)


def test_a_ratio_is_a_floor_or_a_ceiling() -> None:
    assert not FLOOR.is_reached
    assert Ratio("a_ratio", 0.5, 0.5, is_floor=True).is_reached
    assert Ratio("a_ratio", 0.5, 0.5, is_floor=False).is_reached
    assert not Ratio("a_ratio", 0.6, 0.5, is_floor=False).is_reached
    with pytest.raises(ValueError, match="ends in _ratio"):
        Ratio("speed", 1, 1, is_floor=True)


def test_the_table_says_what_is_not_reached_and_what_was_left_out() -> None:
    table = as_table([RESULT])
    assert "1,234 rows/s" in table.replace("1,235", "1,234")
    assert "at least 0.5: NOT REACHED" in table
    assert "at most 1: reached" in table
    assert "left out: no x" in table


def test_the_picture_has_every_ratio_on_the_right_side_of_its_line() -> None:
    few = Ratio("none_few_ratio", 0, 1, is_floor=False)
    drawn = ElementTree.fromstring(draw([RESULT, Result("none", ratios=(few,))]))
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a: a", "a: b", "none: few", "0.4 (at least 0.5)", "0.9 (at most 1)"} <= set(texts)
    bars = [one for one in drawn.iter("{http://www.w3.org/2000/svg}rect")][1:]
    middle = float(bars[1].attrib["x"])
    assert float(bars[0].attrib["x"]) + float(bars[0].attrib["width"]) == pytest.approx(middle, abs=0.2)
    assert float(bars[0].attrib["x"]) < middle == float(bars[2].attrib["x"])
    assert (score(FLOOR), score(few)) == (pytest.approx(0.8), 10)


def test_in_json_only_ratios_are_called_so() -> None:
    [case] = as_json([RESULT], is_quick=True)["cases"].values()  # type: ignore[attr-defined]
    assert case["ratios"] == {"a_ratio": 0.4, "b_ratio": 0.9}
    assert case["reach"] == {
        "a": {"at_least": 0.5, "is_reached": False},
        "b": {"at_most": 1, "is_reached": True},
    }
    assert "_ratio" not in json.dumps({name: part for name, part in case.items() if name != "ratios"})


def test_a_figure_that_is_not_reached_is_no_failure_and_a_case_that_fails_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_setting: Setting) -> Result:
        raise BenchFault("no such server")

    slow, broken = Case("slow", "bot.bench.lint"), Case("broken", "bot.bench.lint")
    monkeypatch.setattr(cases, "CASES", {"a": slow, "b": broken})
    # for good: later tests would log to the runner's closed file
    monkeypatch.setattr(cli_bench, "_keep_quiet", lambda: None)
    monkeypatch.setattr(Case, "measure", lambda case, setting: RESULT if case is slow else fails(setting))
    assert CliRunner().invoke(app, ["bench", "a"]).exit_code == 0
    both = CliRunner().invoke(app, ["bench", "--json"])
    assert both.exit_code == 1
    assert "b could not be measured: no such server" in both.stderr
    assert json.loads(both.stdout)["cases"].keys() == {"a"}
    assert CliRunner().invoke(app, ["bench", "c"]).exit_code == 2


def test_each_case_is_there() -> None:
    listed = CliRunner().invoke(app, ["bench", "--list"]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(cases.CASES)


def test_what_a_block_costs_is_seen() -> None:
    with metered(os.getpid()) as spent:
        sum(range(3_000_000))
    assert spent.by_pid[os.getpid()] > 0
    assert spent.cpu > spent.by_pid[os.getpid()]
    assert cpu_seconds(os.getpid()) > 0
    assert 0 < resident_bytes(os.getpid()) <= peak_resident_bytes(os.getpid())


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)) == (50, 99, 100)
    assert percentile([7.0], 0.01) == 7


def test_keys_are_different_and_are_found_again(tmp_path: Path) -> None:
    keys = RsaKeys(tmp_path, bits=1024)
    moduli = {keys.key(n).public_key().public_numbers().n for n in range(0, len(keys), 7)}
    assert len(moduli) == len(range(0, len(keys), 7))
    assert min(n.bit_length() for n in moduli) == 1024
    again = RsaKeys(tmp_path, bits=1024)
    assert again.key(99).private_numbers() == keys.key(99).private_numbers()


def test_the_rows_are_good_ones(tmp_path: Path) -> None:
    rows = [row for _, row in rsa_rows(RsaKeys(tmp_path), 1, 3)] + [row for _, row in ec_rows(2, 3)]
    world = open_world(tmp_path, TESTKIKAN)
    for some in (rows[:3], rows[3:]):
        file = read_tsv(tsv(some), "a.tsv", max_rows=99)
        assert len(file.rows) == 3
        assert not file.errors
        lines = [line.decode("cp932") for line in tsv(some).splitlines()]
        world.take(*lines, sender="shinsei@cc.example.ac.jp", received_at=NOW)
    assert fqdns(1, 3) != fqdns(2, 3)


def test_a_desk_is_made_as_init_makes_it(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "k", ca="rsa2048", more='[log]\nlevel = "error"\n')
    assert desk.config.max_rows == 10_000
    assert desk.config.log.level == "error"
    assert (desk.config_file.parent / "register/testkikan.toml").exists()
