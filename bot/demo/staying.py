"""`ringi demo --stay`: everything stays up so that people can point a mail program and a browser at it."""

import contextlib
import threading

from bot.demo.mailbox import Mailbox
from bot.demo.private import write_private
from bot.demo.stage import BOT, Stage
from bot.demo.steps import DN, FQDN

_NEXT = "test2.example.ac.jp"


def stay(stage: Stage) -> None:
    """Say how to look, and wait for Ctrl-C."""
    _write_next_application(stage)
    say = stage.say
    world = stage.folder / "world"
    say.title("Everything stays up until Ctrl-C", [])
    say.say("Mail accounts, for Thunderbird or any other program (STARTTLS, normal password):")
    say.table(
        [
            _account(stage.applicant.mailbox, "applicant"),
            _account(stage.officer.mailbox, "officer"),
            ("  servers", _servers(stage.officer.mailbox)),
            ("  trust", f"{world / 'ca.pem'} (Settings, Certificates, Authorities, Import)"),
            *stage.system.places(stage.directory),
        ]
    )
    ahead = stage.clock.ahead().days
    say.say(f"The service's clock is {ahead} days ahead of yours: what it issues is valid from that day on.")
    say.say("To try:")
    say.table(
        [
            ("  1.", f"as the applicant, mail {stage.folder / 'next-application.tsv'} to {BOT}"),
            ("  2.", "as the officer, reply to the request, signed, with the one line 承認します"),
            ("  3.", f"open the URL that the applicant gets (the page is at {stage.config.web.public_url})"),
        ]
    )
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _account(mailbox: Mailbox, who: str) -> tuple[str, str]:
    return f"  {who}", f"{mailbox.user}, password {mailbox.password}"


def _servers(mailbox: Mailbox) -> str:
    return f"IMAP {mailbox.imap_host}:{mailbox.imap_port}, SMTP {mailbox.smtp_host}:{mailbox.smtp_port}"


def _write_next_application(stage: Stage) -> None:
    """A good TSV for another server, so that a person can play the rest by hand."""
    dn = DN.replace(FQDN, _NEXT)
    _, csr = stage.applicant.make_request(_NEXT, dn)
    write_private(stage.folder / "next-application.tsv", stage.applicant.tsv(_NEXT, dn, csr))
