"""How soon a person is answered: one mail at a time, from its delivery to the moment at which our answer is accepted.

The same mail goes to a twin of the desk's mailbox at once, where a bare connection waits in IDLE: how soon the same
Dovecot tells it. (On one mailbox the desk's moves would blur what the bare connection is told.)
"""

import imaplib
import smtplib
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from bot.bench.desk import BOT
from bot.bench.letters import applications, sender_of
from bot.bench.mail_desk import NO_DOVECOT, TWIN, MailDesk, has_dovecot, open_mail_desk, wait_until
from bot.bench.meter import peak_resident_bytes, percentile
from bot.bench.result import Figure, Ratio, Result, Setting
from bot.bench.servers.dovecot import Dovecot

_CASE = "answer"
_MEDIAN_MS, _P99_MS = 150, 500
_PATIENCE = 30.0  # seconds for one answer
_PAUSE = 0.1  # seconds in which both go back to IDLE: one mail at a time is what is asked
_PEOPLE = 50
_MEMORY_MB = 200


class IdleNotice:
    """A bare connection in IDLE: the moments, by time.monotonic(), at which it was told of a mail.

    It leaves IDLE after each and begins it anew, as whoever reads the mail must. Dovecot collects news for half a
    second: one that stayed would be told of the next mail sooner, by what is left of that.
    """

    def __init__(self, dovecot: Dovecot, user: str) -> None:
        context = ssl.create_default_context(cafile=dovecot.tls.ca_file)
        self._client = imaplib.IMAP4_SSL("127.0.0.1", dovecot.imaps_port, ssl_context=context)
        self._client.login(user, dovecot.users[user])
        self._client.select("INBOX")
        self.moments: list[float] = []
        self._is_over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._is_over:
            self._client.send(b"X IDLE\r\n")
            while not (line := self._client.readline()).startswith(b"X "):
                if not line:
                    return
                if b"EXISTS" in line:
                    self.moments.append(time.monotonic())
                    self._client.send(b"DONE\r\n")

    def stop(self) -> None:
        self._is_over = True
        self._client.send(b"DONE\r\n")
        self._thread.join(_PATIENCE)
        self._client.logout()


@contextmanager
def listening(dovecot: Dovecot, user: str) -> Iterator[IdleNotice]:
    notice = IdleNotice(dovecot, user)
    try:
        yield notice
    finally:
        notice.stop()


def measure(setting: Setting) -> Result:
    if not has_dovecot():
        return Result(_CASE, remarks=(NO_DOVECOT,))
    with open_mail_desk() as desk:
        return measure_answers(desk, 4 if setting.is_quick else 100)


def measure_answers(desk: MailDesk, count: int) -> Result:
    """`count` mails of each kind."""
    figures: list[Figure] = []
    ratios: list[Ratio] = []
    desk.once()
    with desk.running() as pid, listening(desk.dovecot, TWIN) as notice:
        # a desk that has just begun has yet to load what it needs only for a mail
        _times(desk, notice, list(applications(1, 3, _PEOPLE)))
        for number, kind in enumerate(("faulty", "good"), start=2):
            mails = list(applications(number, count, _PEOPLE, is_good=kind == "good"))
            answers, notices = _times(desk, notice, mails)
            figures += _figures(kind, answers, notices)
            ratios += _ratios(kind, [one - told for one, told in zip(answers, notices, strict=True)])
        memory = peak_resident_bytes(pid)
    figures.append(Figure("memory_peak", memory / 1e6, "MB"))
    ratios.append(Ratio(f"memory_of_{_MEMORY_MB}_mb_ratio", memory / 1e6 / _MEMORY_MB, 1, is_floor=False))
    return Result(_CASE, tuple(figures), tuple(ratios))


def _times(desk: MailDesk, notice: IdleNotice, mails: Sequence[bytes]) -> tuple[list[float], list[float]]:
    """For each mail the seconds until it was answered, and until the bare connection was told of its twin."""
    answers, notices = [], []
    for raw in mails:
        sender = sender_of(raw)
        told, taken = len(notice.moments), len(desk.sink.taken)
        begin = _deliver(desk.dovecot, sender, (TWIN, BOT), raw)
        answered = _moment_of_answer(desk, sender, taken)
        wait_until(lambda told=told: len(notice.moments) > told, _PATIENCE, "the notice of a mail")  # type: ignore[misc]
        answers.append(answered - begin)
        notices.append(notice.moments[told] - begin)
        time.sleep(_PAUSE)
    return answers, notices


def _deliver(dovecot: Dovecot, sender: str, recipients: Sequence[str], raw: bytes) -> float:
    """The moment from which on the server had it all."""
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp_port) as lmtp:
        lmtp.ehlo()
        lmtp.mail(sender)
        for recipient in recipients:
            lmtp.rcpt(recipient)
        begin = time.monotonic()
        lmtp.data(raw)
        # LMTP has an answer for each recipient
        for _ in recipients[1:]:
            lmtp.getreply()
    return begin


def _moment_of_answer(desk: MailDesk, sender: str, taken: int) -> float:
    def moments() -> list[float]:
        return [mail.at for mail in desk.sink.taken[taken:] if sender in mail.recipients]

    wait_until(lambda: bool(moments()), _PATIENCE, "an answer")
    return moments()[0]


def _ratios(kind: str, over: Sequence[float]) -> list[Ratio]:
    """`over`: seconds after the notice."""
    found = {f"median_over_notice_of_{_MEDIAN_MS}": (median(over), _MEDIAN_MS)}
    found |= {f"p99_over_notice_of_{_P99_MS}": (percentile(over, 0.99), _P99_MS)}
    return [
        Ratio(f"{kind}_{name}_ms_ratio", seconds * 1000 / limit, 1, is_floor=False)
        for name, (seconds, limit) in found.items()
    ]


def _figures(kind: str, answers: Sequence[float], notices: Sequence[float]) -> list[Figure]:
    shares = {"median": 0.5, "p99": 0.99}
    return [
        Figure(f"{name}_{share}_{kind}", percentile(values, shares[share]) * 1000, "ms")
        for name, values in (("answer", answers), ("notice", notices))
        for share in shares
    ]
