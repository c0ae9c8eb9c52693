"""The log on a disk that is full: nobody's work ends by it, and it says so when there is room again."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from bot.config import Log
from bot.logs import set_up_logging


class FullDisk(io.RawIOBase):
    """A file on a disk that is full as long as `is_full` holds."""

    def __init__(self) -> None:
        self.is_full = False
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        data = bytes(data)  # type: ignore[call-overload]
        self.written += data
        return len(data)

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.written.splitlines()]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    raw = FullDisk()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True))
    set_up_logging(Log(level="info", format="json"))
    yield raw
    raw.is_full = False
    structlog.reset_defaults()


def test_an_event_that_can_not_be_written_waits_and_hinders_nobody(disk: FullDisk) -> None:
    log = structlog.get_logger()
    log.info("first")
    disk.is_full = True
    log.info("second")
    log.info("third")
    disk.is_full = False
    log.info("fourth")
    assert disk.events() == ["first", "second", "third", "fourth", "log"]
    told = json.loads(disk.written.splitlines()[-1])
    assert told["level"] == "warning"
    assert told["failures"] >= 2
    log.info("fifth")
    assert disk.events()[-1] == "fifth"


def test_a_log_of_many_events_for_which_there_is_no_room_raises_nothing(disk: FullDisk) -> None:
    disk.is_full = True
    for _ in range(2000):
        structlog.get_logger().info("event", words="x" * 100)
    disk.is_full = False
    structlog.get_logger().info("at last")
    assert disk.events()[-2:] == ["at last", "log"]


def test_the_real_file_of_a_full_device() -> None:
    code = (
        "from bot.config import Log; from bot.logs import set_up_logging; import structlog\n"
        "set_up_logging(Log(level='info', format='json'))\n"
        "structlog.get_logger().info('one')\nstructlog.get_logger().info('two')\nprint('goes on')"
    )
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full, check=False)
    finally:
        os.close(full)
    assert done.stdout == b"goes on\n"
