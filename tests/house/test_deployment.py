"""What operators install: units, log rotation, container. Their commands and files exist, and they are closed."""

import configparser
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "docs/systemd"
SERVICES = sorted(UNITS.glob("*.service"))
RINGI = "/opt/ringi/.venv/bin/ringi"
CLOSED = {
    "ProtectSystem": "strict",
    "NoNewPrivileges": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectHome": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
}


def read(unit: Path) -> configparser.ConfigParser:
    # a unit may give one key several times
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit, encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def commands() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bot.cli", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(re.findall(r"^  ([a-z]+) ", done.stdout, re.M))


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_unit_is_closed_and_runs_a_command_of_ours(unit: Path, commands: set[str]) -> None:
    service = read(unit)["Service"]
    assert {key: service[key] for key in CLOSED} == CLOSED
    assert service["User"] in ("ringi", "ringi-signer", "root")
    [command] = re.findall(rf"{RINGI} ([a-z]+)", service["ExecStart"])
    assert command in commands


def test_only_the_signer_gets_the_cas_passphrase_and_only_the_desk_has_a_network() -> None:
    desk, signer = (read(UNITS / f"{name}.service")["Service"] for name in ("ringi", "ringi-signer"))
    assert signer["LoadCredential"].startswith("ringi-ca:")
    assert "LoadCredential" not in desk
    assert (signer["PrivateNetwork"], desk.get("PrivateNetwork")) == ("yes", None)
    assert "/srv/ringi/ca/ca.key" in desk["InaccessiblePaths"]


def test_every_unit_that_another_names_is_there() -> None:
    text = "".join(
        path.read_text(encoding="utf-8") for path in (*UNITS.iterdir(), ROOT / "docs/operations.md")
    )
    named = set(re.findall(r"\bringi[a-z-]*\.(?:service|timer|logrotate)\b", text))
    assert named >= {"ringi.service", "ringi-signer.service", "ringi-backup.timer", "ringi.logrotate"}
    assert [name for name in sorted(named) if not (UNITS / name).exists()] == []


def test_systemd_understands_every_line(need: Callable[[str], str], tmp_path: Path) -> None:
    program = need("systemd-analyze")
    for unit in (*SERVICES, *UNITS.glob("*.timer")):
        (tmp_path / unit.name).write_text(unit.read_text(encoding="utf-8").replace(RINGI, "/bin/true"))
    units = [f"./{path.name}" for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(
        [program, "verify", "--man=no", *units], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "ringi" in line]) == (0, [])
    for unit in SERVICES:
        # 0 is closed, 10 is open
        judged = [program, "security", "--offline=true", "--no-pager", "--threshold=25", f"./{unit.name}"]
        done = subprocess.run(judged, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_the_container_is_made_of_what_is_there_by_the_lock_and_runs_as_nobody(commands: set[str]) -> None:
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    made = [name for name in copied if name.startswith("dist/")]
    assert made == ["dist/ringi-*.whl"]
    assert [name for name in copied if name not in made and not (ROOT / name).exists()] == []
    # no package comes but by the lock
    installs = [line for line in lines if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps ringi-*.whl" in line for line in installs)
    assert any("--require-hashes -r requirements.lock" in line for line in lines)
    users = [line for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in ("USER root", "USER 0")
    [command] = re.findall(r'^CMD \["([a-z]+)"\]', "\n".join(lines), re.M)
    assert command in commands


def test_logrotate_reads_its_file(need: Callable[[str], str], tmp_path: Path) -> None:
    program = need("logrotate")
    rotation = tmp_path / "ringi"
    rotation.write_text((UNITS / "ringi.logrotate").read_text(encoding="utf-8"))
    rotation.chmod(0o644)
    done = subprocess.run(
        [program, "--debug", "--state", str(tmp_path / "state"), str(rotation)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "error" in done.stderr) == (0, False)
