"""The shape of the house: who may import whom, and one home for each outside package."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "handlers", "store")

# an outside package -> the only file (or folder) that may import it
HOMES = {
    "imapclient": "bot/imap/",
    "aiosmtplib": "bot/smtp.py",
    "asyncio": ("bot/deliver.py", "bot/smtp.py", "bot/web/", "bot/demo/"),
    "gnupg": "bot/openpgp/keys.py",
    "apscheduler": "bot/schedule.py",
    "starlette": "bot/web/",
    "uvicorn": "bot/web/",
    "jinja2": ("bot/compose/", "bot/web/"),
    "typer": "bot/cli",
    "rich": ("bot/show.py", "bot/demo/"),
    "alembic": ("store/transaction.py", "store/migrations/"),
    "psycopg": "store/postgresql_text.py",
    "pymap": "bot/demo/",
    "aiosmtpd": "bot/demo/",
    "idna": "handlers/rules/dns_names.py",
    "asn1crypto": "bot/smime/",
    "pkcs11": "bot/ca/hsm.py",
    "pkilint": "bot/ca/lint.py",
    "email": ("bot/mime/", "bot/compose/", "bot/doctor/probe.py", "bot/explain.py", "bot/demo/"),
}
IMPURE = {
    "datetime.now",
    "time",
    "random",
    "secrets",
    "logging",
    "structlog",
    "pathlib",
    "os",
    "io",
    "socket",
    "subprocess",
    "tempfile",
    "urllib",
}
RULES_MAY = {"cryptography", "pydantic", "idna"}
HANDLERS_MAY = {"sqlalchemy", "cryptography"}


def _sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _imports(path: Path) -> list[str]:
    """Every module a file imports, also inside functions and under TYPE_CHECKING."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.append(node.module or "")
    return found


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _faults(path: Path) -> list[str]:
    name, faults = _name(path), []
    for module in _imports(path):
        top = module.partition(".")[0]
        if fault := _direction_fault(name, module, top):
            faults.append(f"{name}: {fault}")
        home = HOMES.get(top)
        if home and not name.startswith(home):
            faults.append(f"{name}: {top} lives in {home} only")
    return faults


def _direction_fault(name: str, module: str, top: str) -> str | None:
    ours = top in (*PACKAGES, "mail_templates", "tests")
    outside = not ours and top not in sys.stdlib_module_names
    if top == "tests":
        return "the product must not import its tests"
    if name.startswith("store/"):
        if top in ("bot", "handlers") or (outside and top not in ("sqlalchemy", "alembic", "psycopg")):
            return f"store must not import {module}"
    elif name.startswith("handlers/rules/"):
        if ours and not module.startswith(("handlers.rules", "store.states")):
            return f"rules must not import {module}"
        if top in IMPURE or (outside and top not in RULES_MAY):
            return f"rules are pure and must not import {module}"
    elif name.startswith("handlers/"):
        if top == "bot" or (outside and top not in HANDLERS_MAY):
            return f"handlers must not import {module}"
        if top in {"socket", "subprocess", "smtplib", "imaplib", "email", "random", "secrets", "time"}:
            return f"handlers touch no world: {module}"
    return None


def test_nobody_imports_in_the_wrong_direction() -> None:
    assert [fault for path in _sources() for fault in _faults(path)] == []


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("store/inbox.py", "handlers.apply"),
        ("handlers/apply.py", "bot.intake"),
        ("handlers/rules/tsv.py", "store.tables"),
        ("handlers/rules/tsv.py", "random"),
        ("handlers/apply.py", "smtplib"),
        ("handlers/apply.py", "starlette"),
    ],
)
def test_the_check_itself_sees_a_wrong_import(name: str, module: str) -> None:
    assert _direction_fault(name, module, module.partition(".")[0])


def test_no_clock_is_read_in_rules_or_handlers() -> None:
    readers = [
        f"{_name(path)}:{node.lineno}"
        for path in _sources()
        if _name(path).startswith("handlers/")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("now", "utcnow", "today")
    ]
    assert readers == []


def test_only_the_transaction_commits() -> None:
    committers = [
        _name(path)
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "commit" and _name(path) != "store/transaction.py"
    ]
    assert committers == []


def test_there_is_one_catch_all() -> None:
    catching = [
        _name(path)
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
        )
        # cleaning up and passing the error on is no catching
        and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in node.body)
    ]
    # the demo's mail world carries an error from its thread to the one that waits for it;
    # the signer ends a connection over which it stumbled, and stays: anybody may feed it;
    # the S/MIME parsers raise whatever they like about hostile bytes (threats CMS7)
    assert catching == ["bot/demo/world.py", "bot/intake.py", "bot/signer/server.py", "bot/smime/ber.py"]
