"""The reason codes: each can happen, and docs/reasons.md tells of each."""

import ast
from pathlib import Path

import pytest

from handlers.rules.reasons import Reason
from tests.reasons_page import COMMAND, PAGE, groups, page

ROOT = Path(__file__).parents[2]
_HOME = ROOT / "handlers" / "rules" / "reasons.py"
# how answers are worded is no use of a code
_WORDS = ROOT / "bot" / "compose"


def used() -> set[str]:
    """Every member of Reason that some source names."""
    found = set()
    for room in ("bot", "handlers"):
        for path in (ROOT / room).rglob("*.py"):
            if path == _HOME or _WORDS in path.parents:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id == "Reason"
                ):
                    found.add(node.attr)
    return found


def test_every_reason_is_given_somewhere_and_none_is_unknown() -> None:
    assert sorted(set(Reason.__members__) - used()) == []
    assert sorted(used() - set(Reason.__members__)) == []


def test_the_page_of_reasons_is_up_to_date() -> None:
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        pytest.fail(f"docs/reasons.md is stale; write it anew: {COMMAND}")


def test_the_page_names_every_code_once() -> None:
    members = [reason for _, found in groups() for reason in found]
    assert sorted(members) == sorted(Reason)
