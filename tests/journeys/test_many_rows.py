"""A whole file of rows, from the mail to as many certificates, by one signature."""

import re
from pathlib import Path

import pytest
from cryptography import x509

from bot.demo.mailbox import text_of
from tests.applications import tsv, tsv_line
from tests.journeys.desk import BOT, Desk
from tests.servers.people import APPLICANT

pytest_plugins = ("tests.servers.fixtures",)


@pytest.mark.parametrize("rows", [99, 600])
def test_a_file_of_rows_by_one_signature(desk: Desk, rows: int) -> None:
    """The officer's reply quotes the request of all of them, as it is asked to: some 560 bytes a row."""
    text = desk.config_file.read_text(encoding="utf-8")
    desk.config_file.write_text(f"max_rows = {rows}\n{text}", encoding="utf-8")
    lines = [tsv_line(f"host{n}.example.ac.jp", c10=APPLICANT) for n in range(1, rows + 1)]
    with desk.running():
        idle = peak_memory(desk)
        desk.applicant.apply(tsv(*lines), BOT)
        request = desk.officer.mailbox.wait_for("承認のお願い", 60)
        desk.officer.reply_signed(request, "承認", style="mutt")
        mail = text_of(desk.applicant.mailbox.wait_for("発行受付通知", 60))
        busy = peak_memory(desk)
        urls = re.findall(r"http://127\.0\.0\.1:\d+/d/[\w-]+", mail)
        assert len(set(urls)) == rows
        last = x509.load_pem_x509_certificate(desk.applicant.fetch(urls[-1]))
        assert last.subject.rfc4514_string().startswith(f"CN=host{rows}.example.ac.jp")
    assert len(set(desk.serials())) == rows
    assert list(desk.states().values()) == [["issued"] * (rows - 1) + ["downloaded"]]
    assert 0 < idle <= busy


def peak_memory(desk: Desk) -> int:
    """kB of resident memory at the most, of the service's process; the signer is one of its own."""
    for status in Path("/proc").glob("[0-9]*/status"):
        command = status.with_name("cmdline").read_bytes()
        if str(desk.config_file).encode() in command and b"signer" not in command.split(b"\0"):
            found = int(re.search(r"VmHWM:\s+(\d+)", status.read_text()).group(1))  # type: ignore[union-attr]
            print(f"peak resident memory: {found} kB")  # noqa: T201  # a figure for people: pytest -s shows it
            return found
    raise AssertionError("the service is not running")
