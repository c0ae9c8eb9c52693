"""The documents are true: what they name exists, and what the code refers to stands in them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPECIFICATIONS = (ROOT / "docs" / "specifications.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# a backquoted path of ours, such as `bot/mime/read.py`
PATH = re.compile(r"`((?:bot|handlers|store|tests|docs|mail_templates)/[\w./-]+)`")
MANUAL = re.compile(r"manual (1(?:-\d)*(?: step \d)?)")
RFC = re.compile(r"RFC (\d{4})")
NAMED_AFTER_THREAT = re.compile(r"def test_([A-Z]{2,4}\d)_")


def _sources() -> list[Path]:
    return [p for room in ("bot", "handlers", "store") for p in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_file_that_a_document_names_exists(page: Path) -> None:
    named = set(PATH.findall(page.read_text(encoding="utf-8")))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("pattern", "prefix"), [(MANUAL, "manual "), (RFC, "RFC ")])
def test_every_section_that_the_code_refers_to_is_in_the_table(pattern: re.Pattern[str], prefix: str) -> None:
    listed = {f"{prefix}{found}" for found in pattern.findall(SPECIFICATIONS)}
    missing = {
        f"{prefix}{found} in {path.relative_to(ROOT)}"
        for path in _sources()
        for found in pattern.findall(path.read_text(encoding="utf-8"))
        if f"{prefix}{found}" not in listed
    }
    assert missing == set()


def test_every_row_of_what_is_done_names_a_test() -> None:
    rows = [line for line in SPECIFICATIONS.splitlines() if line.startswith(("| manual", "| RFC"))]
    assert len(rows) > 20
    assert [row for row in rows if "`tests/" not in row and "to come" not in row] == []


def test_every_threat_is_in_the_table_with_tests_that_are_named_after_it() -> None:
    listed = {
        id: {ROOT / name for name in PATH.findall(tests)}
        for id, tests in re.findall(r"^\| ([A-Z]{2,4}\d) \|.*\|([^|]*)\|$", SPECIFICATIONS, re.M)
        if "to come" not in tests
    }
    named: dict[str, set[Path]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for id in NAMED_AFTER_THREAT.findall(path.read_text(encoding="utf-8")):
            named.setdefault(id, set()).add(path)
    assert len(listed) > 40
    assert listed.keys() == named.keys()
    assert {id: files - named[id] for id, files in listed.items() if not files <= named[id]} == {}


def test_every_make_target_that_a_document_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    named = {
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"(?:^    |`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.M)
    }
    assert {page for page, _ in named} >= {"README.md", "CONTRIBUTING.md"}
    assert {one for one in named if one[1] not in targets} == set()
    # and none that is there for people is left out where contributors look
    told = {target for page, target in named if page == "CONTRIBUTING.md"}
    assert targets - told == set()


def test_the_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"`ringi ([a-z][a-z-]+)", readme))
    help_command = [sys.executable, "-m", "bot.cli", "--help"]
    help_text = subprocess.run(help_command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert commands
    assert [command for command in sorted(commands) if command not in help_text] == []


def test_the_command_says_the_version_of_the_package_and_the_changelog_knows_it() -> None:
    command = [sys.executable, "-m", "bot.cli", "--version"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert said == f"ringi {version}\n"
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\d\S*)", changes, re.MULTILINE)[0] == version
