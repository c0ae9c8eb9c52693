"""The kinds of mail server that `ringi init` knows: where they listen, how one logs in, what to see to there."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from bot.config import Security

Kind = Literal["plain", "gmail", "microsoft365"]


class Door(NamedTuple):
    """`host` None: to be asked, `imap.` or `smtp.` and the address' domain are the guess."""

    host: str | None
    port: int
    security: Security


@dataclass(frozen=True)
class MailServer:
    """`oauth2`: passwords are not taken. `authserv_id`: see `bot.config.Imap`. `imap_notes`, `smtp_notes`: comments in
    the configuration. `secret`: what the password file, or the token command, must give."""

    imap: Door
    smtp: Door
    secret: str
    oauth2: bool = False
    authserv_id: str | None = None
    imap_notes: tuple[str, ...] = ()
    smtp_notes: tuple[str, ...] = ()


TOKEN_COMMAND = "/usr/local/bin/mail-token"
PLAIN = MailServer(
    imap=Door(None, 993, "tls"),
    smtp=Door(None, 465, "tls"),
    secret="the password",
    imap_notes=(
        "Next: authserv_id = the first word of the server's Authentication-Results headers. Then officers see what",
        "it found out about an applicant's address (SPF, DKIM, DMARC).",
    ),
)
MAIL_SERVERS: dict[Kind, MailServer] = {
    "plain": PLAIN,
    "gmail": MailServer(
        imap=Door("imap.gmail.com", 993, "tls"),
        smtp=Door("smtp.gmail.com", 465, "tls"),
        secret="an app password (Google account, 2-step verification on)",
        authserv_id="mx.google.com",
        imap_notes=(
            "The password is an app password; where the administrator forbids them, token_command instead, for the",
            "scope https://mail.google.com/. The folders become labels. See that IMAP is on for this account.",
        ),
        smtp_notes=("Google replaces a From address that is neither the account's nor its alias.",),
    ),
    "microsoft365": MailServer(
        imap=Door("outlook.office365.com", 993, "tls"),
        smtp=Door("smtp.office365.com", 587, "starttls"),
        secret="an OAuth2 access token (docs/operations.md, Gmail and Microsoft 365)",
        oauth2=True,
        imap_notes=(
            "Microsoft takes no passwords here: token_command prints an access token for outlook.office365.com.",
            "Its Authentication-Results begin with no name, so there is no authserv_id to write here.",
        ),
        smtp_notes=(
            "Off at first: Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false",
            "No transport rule may add a footer or a warning to mails of ours: it breaks every signature.",
        ),
    ),
}
