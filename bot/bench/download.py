"""How many times a second the download page is shown: the real page of a one-time URL that is still good.

The visitors are processes of their own, each with one connection that it keeps; they share the machine with the desk.
"""

import socket
import subprocess
import sys
from urllib.parse import urlsplit

from bot.bench.approving import apply, approve
from bot.bench.data import ec_rows
from bot.bench.mail_desk import NO_DOVECOT, MailDesk, has_dovecot, open_mail_desk
from bot.bench.meter import metered, peak_resident_bytes
from bot.bench.result import BenchFault, Figure, Ratio, Result, Setting

_CASE = "download"
_RATE, _MEMORY_MB = 1000, 200
_VISITORS = 4
# the address, the path, the seconds: how many answers with the page came
_VISIT = "import sys; from bot.bench.download import visit; visit(sys.argv[1], float(sys.argv[2]))"


def measure(setting: Setting) -> Result:
    if not has_dovecot():
        return Result(_CASE, remarks=(f"{NO_DOVECOT}: no desk can run, and there is no URL",))
    with open_mail_desk() as desk:
        return measure_download(desk, 2.0 if setting.is_quick else 15.0)


def measure_download(desk: MailDesk, seconds: float) -> Result:
    with desk.running() as pid:
        rows = [row for _, row in ec_rows(1, 1)]
        [url] = approve(desk, apply(desk, rows), 1)
        visit_all(url, min(1.0, seconds))
        with metered(pid) as spent:
            count = visit_all(url, seconds)
        memory = peak_resident_bytes(pid)
    rate = count / seconds
    return Result(
        _CASE,
        (
            Figure("download_rate", rate, "GET/s"),
            Figure("download_desk_cpu", spent.by_pid[pid] / count * 1e6, "µs a GET"),
            Figure("download_memory_peak", memory / 1e6, "MB"),
        ),
        (
            Ratio(f"rate_of_{_RATE}_a_second_ratio", rate / _RATE, 1, is_floor=True),
            Ratio(f"memory_of_{_MEMORY_MB}_mb_ratio", memory / 1e6 / _MEMORY_MB, 1, is_floor=False),
        ),
    )


def visit_all(url: str, seconds: float) -> int:
    """How often several visitors saw the page meanwhile. BenchFault where any of them got something else."""
    command = [sys.executable, "-c", _VISIT, url, str(seconds)]
    visitors = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(_VISITORS)]
    said = [visitor.communicate()[0] for visitor in visitors]
    if any(visitor.returncode for visitor in visitors):
        raise BenchFault("the page was not shown")
    return sum(map(int, said))


def visit(url: str, seconds: float) -> None:
    """One visitor: GET over and over on one connection. Prints how often; ends by AssertionError if it is no page."""
    import time

    place = urlsplit(url)
    question = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nAccept-Language: ja\r\n\r\n".encode()
    with socket.create_connection((place.hostname or "", place.port or 80)) as connection:
        _read_page(connection, question)
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            _read_page(connection, question)
            count += 1
    sys.stdout.write(f"{count}\n")


def _read_page(connection: socket.socket, question: bytes) -> None:
    connection.sendall(question)
    answer = connection.recv(65_536)
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65_536)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65_536)
    # the page, with its form: not the one of a URL that is gone
    assert b"csrf" in body, body[:200]
