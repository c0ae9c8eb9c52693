"""The log: one event a line whatever stands in it, and each line says what it is about."""

import json
import subprocess
import sys

import pytest

HEAD = """
import logging, structlog
from bot.config import Log
from bot.logs import about, set_up_logging
set_up_logging(Log(format={format!r}))
log = structlog.get_logger()
"""


def lines(code: str, format: str = "json") -> list[str]:
    program = HEAD.format(format=format) + code
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=120)
    assert done.stdout == b""
    text = done.stderr.decode("utf-8")
    assert text.endswith("\n")
    # as any reader would split them, not only at \n
    return text.splitlines()


def test_every_line_within_names_the_mail_and_none_after_it() -> None:
    found = [
        json.loads(line)
        for line in lines(
            "with about(uid=7, mail='f' * 64):\n"
            "    log.info('a')\n"
            "    with about(number='A-20261122-0007', outgoing=3):\n"
            "        logging.getLogger('library').warning('said %s', 'this')\n"
            "    log.info('b', entry=2)\n"
            "log.info('c')\n"
        )
    ]
    for one in found:
        assert one.pop("timestamp")
        assert one.pop("level")
    mail = {"uid": 7, "mail": "f" * 16}
    assert found == [
        {"event": "a", **mail},
        {"event": "said this", **mail, "number": "A-20261122-0007", "outgoing": 3, "library": "library"},
        {"event": "b", **mail, "entry": 2},
        {"event": "c"},
    ]


HOSTILE = 'x\\n{\\"event\\": \\"forged\\"}\\r\\x85\\u2028\\u2029\\x1b[2J\\u202e\\u200b\\ud800鈴木'


def test_INJ4_a_hostile_value_stays_in_its_line() -> None:
    code = (
        f"hostile = '{HOSTILE}'\nlog.info('a', subject=hostile, more=[hostile])\nlogging.warning(hostile)\n"
    )
    code += "try:\n    raise ValueError(hostile)\nexcept ValueError as error:\n    log.error('b', exc_info=error)\n"
    found = lines(code)
    assert len(found) == 3
    assert [json.loads(line)["event"][:1] for line in found] == ["a", "x", "b"]
    for line in found:
        assert not set("\x1b\x85\u2028\u202e\u200b") & set(line)
        assert "鈴木" in line, "people's names can be read and searched"
    assert json.loads(found[0])["subject"].startswith('x\n{"event"')
    assert "ValueError" in json.loads(found[2])["exception"]


@pytest.mark.parametrize("level", ["debug", "info"])
def test_the_libraries_speak_from_warnings_on(level: str) -> None:
    assert lines(f"logging.getLogger('x').{level}('quiet')\nlog.info('only this')\n", "text")[0].count("only")
