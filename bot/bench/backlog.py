"""Thousands of applications wait in the folder: how many a second are answered, and whether the last are as quick.

The bare measure is a program that fetches and parses the same mails, one after the other, and does nothing with them.
"""

import imaplib
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bot.bench.desk import BOT
from bot.bench.letters import applications, senders
from bot.bench.mail_desk import NO_DOVECOT, TWIN, MailDesk, has_dovecot, open_mail_desk, put, wait_until
from bot.bench.meter import cpu_seconds, peak_resident_bytes
from bot.bench.result import Figure, Ratio, Result, Setting
from bot.bench.servers.dovecot import Dovecot
from bot.demo.mailbox import parse

_CASE = "backlog"
_PEOPLE = 100  # none writes more than the desk takes of one person in a day
_RATE, _SLOWER, _MEMORY_MB = 50, 1.2, 200
_SLICES = 10
_AT_ONCE = 50  # mails that the bare program gets by one command
_SECONDS_A_MAIL = 1.0


@dataclass(frozen=True)
class _Answered:
    """Moments, by time.monotonic(): when the desk was started, and when each mail was answered, in their order.
    `cpu`: seconds of the desk's process; `memory`: bytes, at its peak."""

    begin: float
    moments: Sequence[float]
    cpu: float
    memory: int

    @property
    def seconds(self) -> float:
        return self.moments[-1] - self.begin

    def slices(self) -> list[float]:
        """Seconds of each tenth of the mails, the start of the desk not counted."""
        many = len(self.moments)
        marks = [self.moments[many * n // _SLICES - 1] for n in range(1, _SLICES + 1)]
        return [end - begin for begin, end in zip([self.moments[0], *marks], marks, strict=False)]


def measure(setting: Setting) -> Result:
    if not has_dovecot():
        return Result(_CASE, remarks=(NO_DOVECOT,))
    with open_mail_desk() as desk:
        return measure_backlog(desk, 150 if setting.is_quick else 10_000)


def measure_backlog(desk: MailDesk, count: int) -> Result:
    desk.once()  # so that the folder is there
    with _log_in(desk.dovecot, TWIN) as client:
        client.select("INBOX")
    mails = list(applications(1, count, _PEOPLE))
    for user in (TWIN, BOT):
        put(desk.dovecot, user, iter(mails))
    bare = count / _read_all(desk.dovecot)
    answered = _answer_all(desk, count)
    rate, slices = count / answered.seconds, answered.slices()
    figures = (
        Figure("backlog_rate", rate, "mails/s"),
        Figure("backlog_bare_rate", bare, "mails/s"),
        Figure("backlog_first_answer", answered.moments[0] - answered.begin, "s"),
        Figure("backlog_desk_cpu", answered.cpu / count * 1000, "ms a mail"),
        Figure("backlog_memory_peak", answered.memory / 1e6, "MB"),
        *(Figure(f"backlog_tenth_{n}", seconds, "s") for n, seconds in enumerate(slices, start=1)),
    )
    ratios = (
        Ratio(f"rate_of_{_RATE}_mails_a_second_ratio", rate / _RATE, 1, is_floor=True),
        Ratio("last_tenth_to_first_ratio", slices[-1] / slices[0], _SLOWER, is_floor=False),
        Ratio(f"memory_of_{_MEMORY_MB}_mb_ratio", answered.memory / 1e6 / _MEMORY_MB, 1, is_floor=False),
    )
    return Result(_CASE, figures, ratios)


@contextmanager
def _log_in(dovecot: Dovecot, user: str) -> Iterator[imaplib.IMAP4_SSL]:
    context = ssl.create_default_context(cafile=dovecot.tls.ca_file)
    with imaplib.IMAP4_SSL("127.0.0.1", dovecot.imaps_port, ssl_context=context) as client:
        client.login(user, dovecot.users[user])
        yield client


def _read_all(dovecot: Dovecot) -> float:
    """Seconds for FETCH and parse of each mail, some by one command: one by one, Dovecot would read its whole
    directory for each."""
    with _log_in(dovecot, TWIN) as client:
        begin = time.monotonic()
        client.select("INBOX")
        uids = client.uid("SEARCH", "ALL")[1][0].split()
        for start in range(0, len(uids), _AT_ONCE):
            some = b",".join(uids[start : start + _AT_ONCE]).decode()
            for part in client.uid("FETCH", some, "(BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    for leaf in parse(part[1]).walk():
                        leaf.get_payload(decode=True)
        return time.monotonic() - begin


def _answer_all(desk: MailDesk, count: int) -> _Answered:
    people, taken = frozenset(senders(_PEOPLE)), desk.sink.taken
    with desk.running() as pid:
        begin, cpu = time.monotonic(), cpu_seconds(pid)
        moments: list[float] = []
        looked_at = 0

        def are_all_answered() -> bool:
            nonlocal looked_at
            new = taken[looked_at:]
            looked_at += len(new)
            moments.extend(mail.at for mail in new if not people.isdisjoint(mail.recipients))
            return len(moments) >= count

        wait_until(are_all_answered, 60 + _SECONDS_A_MAIL * count, f"answers to {count} mails")
        return _Answered(begin, moments, cpu_seconds(pid) - cpu, peak_resident_bytes(pid))
