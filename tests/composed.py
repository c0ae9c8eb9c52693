"""Composes the sample letters and reads the mails back, as a mail program would."""

import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage

from bot.compose.mail import Composer
from handlers.incoming import Attachment, Scheme
from handlers.notices import Letter, Notice
from handlers.rules.register import Language
from tests.letters import DESK, NOW, NUMBER, REQUEST

SHEET = Attachment(f"{NUMBER}.sheet", "application/octet-stream", b"Ringi-Sheet: 1\nRows: 2\n" * 9)
TSV = Attachment(
    "サーバ証明書 新規発行申請(情報基盤センター).tsv", "text/plain", "佐藤\t1\r\n".encode("cp932")
)
HEAD = "ab" * 32
COMPOSER = Composer(DESK, "証明書受付", {})


def compose(
    letter: Letter = REQUEST,
    language: Language = "ja",
    *,
    sign: Callable[[bytes], bytes] | None = None,
    scheme: Scheme = Scheme.OPENPGP,
    number: str | None = NUMBER,
    thread: tuple[str, ...] = (),
    attachments: tuple[Attachment, ...] = (),
) -> bytes:
    notice = Notice(
        "taro@example.ac.jp", language, letter, scheme if sign else None, number, thread, attachments
    )
    composer = Composer(DESK, "証明書受付", {scheme: sign}) if sign else COMPOSER
    return composer.compose(notice, now=NOW, message_id="<20261122.1@example.ac.jp>", journal_head=HEAD)


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(raw: bytes) -> str:
    part = read(raw).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def leaves(raw: bytes) -> list[tuple[str, str | None]]:
    parts = [p for p in read(raw).walk() if not p.is_multipart()]
    return [(p.get_content_type(), p.get_filename()) for p in parts]
