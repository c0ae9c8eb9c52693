"""Floods: one sender's thousands delay nobody else, and cost no memory (threats DOS3).

`make floods` plays them with 1,000 and 10,000 mails, `make test` with 300.
"""

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import func, select

from bot.bench.servers.dovecot import Dovecot
from bot.demo.mailbox import Mailbox
from bot.imap.folder import Folder
from store.tables import Mail
from tests.journeys.desk import BOT, Desk
from tests.journeys.test_many_rows import peak_memory
from tests.servers.people import APPLICANT, OFFICER, USERS

pytest_plugins = ("tests.servers.fixtures",)

MAILS = int(os.environ.get("RINGI_FLOOD", "300"))
OTHER = "quotes@example.ac.jp"


def flood(sender: str, text: str = "何か\n") -> Iterator[bytes]:
    """Mails without end, no two alike."""
    number = 0
    while True:
        number += 1
        head = f"From: {sender}\nTo: {BOT}\nSubject: {number}\nMessage-ID: <{number}.{sender}>\nMIME-Version: 1.0\n"
        yield (head + "Content-Type: text/plain; charset=utf-8\n\n" + text).encode()


def put(dovecot: Dovecot, mails: Iterable[bytes]) -> None:
    """Into the bot's folder in this order, as files: a server would take minutes for thousands."""
    with Folder(dovecot.imap(BOT)):
        pass  # so that the folder is there
    inbox = dovecot.directory / "mail" / BOT
    owner = inbox.stat()
    # a name that the folder had before may be taken for the mail that was moved away
    batch = secrets.token_hex(4)
    for number, raw in enumerate(mails):
        path = inbox / "tmp" / f"{1_700_000_000 + number}.M{number}{batch}.flood"
        path.write_bytes(raw)
        os.chown(path, owner.st_uid, owner.st_gid)
        path.rename(inbox / "new" / path.name)


def other_mailbox(desk: Desk) -> Mailbox:
    dovecot, postfix = desk.servers.dovecot, desk.servers.postfix
    return Mailbox(
        imap_host="127.0.0.1",
        imap_port=dovecot.imap_port,
        smtp_host="127.0.0.1",
        smtp_port=postfix.submission_port,
        user=OTHER,
        password=USERS[OTHER],
        ca_file=dovecot.tls.ca_file,
    )


def senders_as_handled(desk: Desk) -> list[str | None]:
    with desk.reading() as session:
        return list(session.scalars(select(Mail.sender).order_by(Mail.id)))


def count_handled(desk: Desk) -> int:
    with desk.reading() as session:
        return session.scalar(select(func.count()).select_from(Mail)) or 0


def test_DOS3_another_sender_is_served_within_the_first_moments_of_a_flood(desk: Desk) -> None:
    put(desk.servers.dovecot, [*islice(flood(APPLICANT), MAILS), *islice(flood(OTHER), 1)])
    started = time.monotonic()
    with desk.running():
        other_mailbox(desk).wait_for(lambda raw: True, 60 + MAILS / 50)
        answered, handled = time.monotonic() - started, count_handled(desk)
        # somebody who writes only now does not wait for the rest either
        desk.officer.mailbox.send(next(flood(OFFICER)), BOT)
        while count_handled(desk) < MAILS + 2:
            assert time.monotonic() - started < 60 + MAILS
            time.sleep(0.5)
        memory = peak_memory(desk)
    took = time.monotonic() - started
    order = senders_as_handled(desk)
    print(  # noqa: T201  # figures for people: pytest -s shows them
        f"{MAILS} mails of one in {took:.0f} s; the other's answer after {answered:.1f} s, {handled} handled by then;"
        f" the later one was no. {order.index(OFFICER) + 1}; at the most {memory} kB"
    )
    assert order.index(OTHER) <= 1
    # its answer left after the first few, and the later one came in after the next few
    assert handled < MAILS / 2
    assert order.index(OFFICER) <= handled + 150
