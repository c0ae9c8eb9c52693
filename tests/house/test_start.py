"""What a command must not load before it begins its work: a start is measured, and this is why it holds."""

import subprocess
import sys

import pytest

LOADED = (
    "import sys; sys.argv = {argv}\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
)
HELP = "from bot.cli import main\ntry: main()\nexcept SystemExit: pass"


def loaded_by(code: str, *argv: str) -> set[str]:
    program = LOADED.format(argv=["ringi", *argv], code=code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "not_needed"),
    [
        (HELP, {"rich", "pydantic", "sqlalchemy", "cryptography", "structlog"}),
        ("import bot.schedule", {"alembic", "apscheduler", "starlette", "uvicorn"}),
        (
            "import bot.signer.process",
            {"alembic", "imapclient", "aiosmtplib", "jinja2", "starlette", "uvicorn"},
        ),
    ],
    ids=["help", "a round", "the signer"],
)
def test_what_is_not_needed_is_not_loaded(code: str, not_needed: set[str]) -> None:
    assert not loaded_by(code, "--help") & not_needed
