"""`ringi tsv`: new, show, check and page, in a terminal and in a pipe."""

import json
import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from bot.cli import app
from bot.compose.lines import columns as width
from bot.demo.keys import export_key, make_key, stop_agent
from bot.setup.answers import Answers, NewCa, OfficerAnswers, ServerAnswers
from bot.setup.prepare import prepare
from handlers.rules.inventory_tsv import COLUMNS, encode_line
from handlers.rules.revocation_tsv import revocation_tsv
from handlers.rules.tsv import read_tsv
from tests.institution import an_institution
from tests.rules.issue_rows import DN, FQDN, csr_der, one_line, rsa_key
from tests.servers.people import BOT

Run = Callable[..., Result]

SERIAL = "79228162514264337593543950336"
CONTACT = ("--name", "申請 太郎", "--department", "情報基盤センター", "--mail", "taro@example.ac.jp")


@pytest.fixture(scope="module")
def config(need: Callable[[str], str]) -> Iterator[Path]:
    """A desk as `ringi init` writes it; nothing of it runs."""
    need("gpg")
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="rt") as folder:
        home = Path(folder) / "gpg"
        (Path(folder) / "o.asc").write_bytes(
            export_key(home, make_key(home, "Hanako <officer@example.ac.jp>"))
        )
        server = ServerAnswers("127.0.0.1", 1, "tls", BOT, Path("mail.password"))
        answers = Answers(
            instance="testkikan-1",
            address=BOT,
            imap=server,
            smtp=server,
            public_url="http://127.0.0.1:1",
            institution=an_institution((now + timedelta(days=300)).date()),
            officers=(OfficerAnswers("hanako", "花子", "officer@example.ac.jp", Path(folder) / "o.asc"),),
            ca=NewCa("testkikan CA", "p256"),
        )
        prepare(Path(folder) / "d", answers, now=now, random=os.urandom)
        stop_agent(Path(folder) / "d/state/gnupg")
        yield Path(folder) / "d/config.toml"
        stop_agent(home)


@pytest.fixture
def ringi(config: Path) -> Run:
    """The command in this process: starting a hundred modules for each call takes longer than all it does."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["tsv", *map(str, arguments)], env={"RINGI_CONFIG": str(config)})

    return run


def csr_file(folder: Path, fqdn: str = FQDN, number: int = 0) -> Path:
    text = one_line(csr_der(DN.replace(FQDN, fqdn), rsa_key(number)))
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    path = folder / f"{fqdn}.csr"
    path.write_text(
        "\n".join(["-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""])
    )
    return path


def inventory(folder: Path) -> Path:
    cells = [""] * len(COLUMNS)
    for place, text in {
        1: "A-20261123-0001",
        4: DN,
        5: "3",
        9: "dNSName=a.example.ac.jp",
        12: "5",
        13: "申請 太郎",
        14: "情報基盤センター",
        15: "taro@example.ac.jp",
        16: FQDN,
        17: "Apache 2.4",
        24: SERIAL,
        27: "2027/01/02 03:04:05",
    }.items():
        cells[place - 1] = text
    path = folder / "serverAll.tsv"
    path.write_bytes(encode_line(COLUMNS) + encode_line(cells))
    return path


def test_a_new_row_comes_from_its_csr_and_is_checked_as_the_service_would(ringi: Run, tmp_path: Path) -> None:
    files = [csr_file(tmp_path), csr_file(tmp_path, "b.example.ac.jp", 1)]
    target = tmp_path / "new.tsv"
    csrs = [word for file in files for word in ("--csr", file)]
    done = ringi("new", target, "--kind", "issue", *csrs, *CONTACT, "--software", "Apache 2.4")
    assert done.exit_code == 0, done.stdout + done.stderr
    rows = read_tsv(target.read_bytes(), target.name, max_rows=99)
    assert rows.encoding == "CP932"
    assert [row.fields[:2] + row.fields[7:] for row in rows.rows] == [
        (
            DN.replace(FQDN, name),
            "3",
            "申請 太郎",
            "情報基盤センター",
            "taro@example.ac.jp",
            name,
            "Apache 2.4",
            "",
        )
        for name in (FQDN, "b.example.ac.jp")
    ]
    assert ringi("check", target).exit_code == 0
    again = ringi("new", target, "--kind", "issue", *csrs, *CONTACT, "--software", "Apache 2.4")
    assert (again.exit_code, "exists" in again.stderr) == (1, True)


def test_a_row_with_an_error_is_told_and_not_written(ringi: Run, tmp_path: Path) -> None:
    target = tmp_path / "new.tsv"
    done = ringi("new", target, "--kind", "issue", "--csr", csr_file(tmp_path), "--name", "ｱﾍﾞ")
    assert done.exit_code == 1
    for cell in ("205:8.利用管理者氏名,", "201:9.利用管理者所属,", "201:12.", "対処方法"):
        assert cell in done.stdout
    assert not target.exists()
    assert "nothing was written" in done.stderr


def test_a_private_key_is_no_csr(ringi: Run, tmp_path: Path) -> None:
    key = tmp_path / "server.key"
    key.write_bytes(rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = ringi("new", tmp_path / "new.tsv", "--kind", "issue", "--csr", key)
    assert (done.exit_code, "private key" in done.stderr) == (1, True)


def test_an_inventory_fills_renewals_and_changes_of_contact(ringi: Run, tmp_path: Path) -> None:
    known = ("--serial", SERIAL, "--inventory", inventory(tmp_path))
    contact = tmp_path / "contact.tsv"
    assert ringi("new", contact, "--kind", "contact", *known, "--name", "後任 次郎").exit_code == 0
    (row,) = read_tsv(contact.read_bytes(), "x.tsv", max_rows=9).rows
    assert row.fields == (
        *(
            DN,
            "",
            "",
            SERIAL,
            "",
            "",
            "",
            "後任 次郎",
            "情報基盤センター",
            "taro@example.ac.jp",
            "",
            "Apache 2.4",
            "",
        ),
    )
    # the store knows no such certificate: the service would refuse it, and so nothing is written
    done = ringi("new", tmp_path / "r.tsv", "--kind", "renew", *known, "--csr", csr_file(tmp_path))
    assert "907:4." in done.stdout
    assert "201" not in done.stdout
    unknown = ringi("new", tmp_path / "r.tsv", "--kind", "revoke", *known[2:], "--serial", "12")
    assert "no certificate with the serial number 12" in unknown.stderr


def test_a_file_is_shown_in_columns_that_line_up(ringi: Run, tmp_path: Path) -> None:
    lines = ringi("show", inventory(tmp_path)).stdout.splitlines()
    head, row = lines
    for heading, cell in (("シリアル番号", SERIAL), ("有効期限", "2027"), ("利用管理者FQDN", FQDN)):
        assert width(head[: head.index(heading)]) == width(row[: row.index(cell)])
    assert "発行済み" in row
    target = tmp_path / "revoke.tsv"
    target.write_bytes(revocation_tsv(DN, int(SERIAL), "taro@example.ac.jp"))
    shown = ringi("show", target).stdout.splitlines()
    assert shown[0] == "SEQ 1"
    names = (
        "1.主体者DN",
        "4.失効対象証明書シリアル番号",
        "5.失効理由",
        "6.失効理由コメント",
        "10.利用管理者mail",
    )
    assert [line.split()[0] for line in shown[1:]] == list(names)
    assert len({width(line[: len(line) - len(line.split(maxsplit=1)[1])]) for line in shown[1:]}) == 1
    assert json.loads(ringi("show", target, "--json").stdout)[0][3] == SERIAL


def test_a_csr_is_shown_by_what_it_says(ringi: Run, tmp_path: Path) -> None:
    target = tmp_path / "new.tsv"
    ringi("new", target, "--kind", "issue", "--csr", csr_file(tmp_path), *CONTACT, "--software", "x")
    shown = ringi("show", target).stdout
    assert f"RSA 2048, {DN}, SPKI SHA-256 " in shown
    assert "BEGIN" not in shown


def test_a_kind_that_is_not_there_is_named(ringi: Run, tmp_path: Path) -> None:
    target = tmp_path / "x.tsv"
    target.write_bytes(revocation_tsv(DN, 1, "taro@example.ac.jp"))
    for command in ("show", "check"):
        assert ringi(command, target, "--kind", "remove").exit_code == 2
    assert "902:4." in ringi("check", target).stdout
    assert ringi("check", target, "--kind", "issue").exit_code == 1
    assert ringi("check", target, "--institution", "nobody").exit_code == 2


def test_the_page_is_one_file(ringi: Run, tmp_path: Path) -> None:
    done = ringi("page", tmp_path / "tsv.html")
    assert done.exit_code == 0
    html = (tmp_path / "tsv.html").read_text("utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert BOT in html
    assert "試験機関" in html


def test_in_a_terminal_what_is_missing_is_asked_for(config: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.tsv"
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "bot.cli", "tsv", "new", str(target), "--kind", "issue"]
    command += ["--csr", str(csr_file(tmp_path)), "--department", "情報基盤センター"]
    with subprocess.Popen(
        command,
        stdin=slave,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "RINGI_CONFIG": str(config)},
    ) as process:
        os.write(master, "申請 太郎\ntaro@example.ac.jp\nApache 2.4\n".encode())
        said, _ = process.communicate(timeout=60)
    os.close(slave)
    os.close(master)
    assert process.returncode == 0, said
    for question in ("SEQ 1 8.利用管理者氏名", "SEQ 1 10.利用管理者mail", "SEQ 1 12."):
        assert question in said
    (row,) = read_tsv(target.read_bytes(), "x.tsv", max_rows=9).rows
    assert row.fields[7:10] == ("申請 太郎", "情報基盤センター", "taro@example.ac.jp")
