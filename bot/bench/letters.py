"""Mails that applicants send, by the thousand: each of another key and host name, from as many senders as wanted."""

from collections.abc import Iterator

from bot.bench.data import DOMAIN, ec_key, fqdns, make_csr, tsv_row
from bot.bench.desk import BOT
from bot.demo.replies import plain_mail

_SUBJECT = "サーバ証明書 発行申請"
_TEXT = "サーバ証明書の発行をお願いします。\n"


def senders(count: int) -> list[str]:
    return [f"tanto{n}@{DOMAIN}" for n in range(count)]


def applications(seed: int, count: int, people: int, *, is_good: bool = True) -> Iterator[bytes]:
    """Applications of one row; not `is_good`: it names an organization that is not the institution's.

    `people`: they write in turns.
    """
    names = senders(people)
    for n, fqdn in enumerate(fqdns(seed, count)):
        sender = names[n % people]
        row = tsv_row(fqdn, make_csr(fqdn, ec_key(seed, n)), sender)
        if not is_good:
            row = row.replace(b"O=testkikan", b"O=tanokikan", 1)
        yield plain_mail(sender, BOT, _SUBJECT, _TEXT, {"shinsei.tsv": row})


def sender_of(mail: bytes) -> str:
    """The From address of a mail that `applications` made."""
    return mail.partition(b"From: ")[2].partition(b"\r\n")[0].decode()
