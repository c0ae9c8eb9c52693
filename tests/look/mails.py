"""The sample mails as mail programs show them: one HTML file a language and way of showing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from html import escape
from typing import Any

from handlers.notices import Letter
from tests.composed import SHEET, TSV, compose, read
from tests.extremes import stretch
from tests.letters import SAMPLES

# mails of one sheet, by the way they are shown: Thunderbird with a fixed or a proportional font, a phone, its list
PER_SHEET = {"desktop": 2, "proportional": 2, "phone": 5, "list": 40}

_STYLE = """
body { margin: 0; background: #8a929c; font-family: "Noto Sans CJK JP", "Hiragino Sans", Meiryo, sans-serif; }
.sheet { display: flex; align-items: flex-start; gap: 16px; padding: 16px; width: max-content; }
.list { display: block; }
figure { margin: 0; } figcaption { font-size: 12px; color: #fff; padding-bottom: 4px; }
.mail { background: #fff; color: #15141a; }
header { padding: 10px 14px; border-bottom: 1px solid #ccc; font-size: 14px; line-height: 1.5; }
header b { display: block; font-size: 16px; overflow-wrap: anywhere; } header i { font-style: normal; color: #666; }
pre { margin: 0; padding: 10px 14px; white-space: pre-wrap; overflow-wrap: break-word; }
footer { padding: 8px 14px; border-top: 1px solid #ccc; font-size: 13px; }
footer span { display: inline-block; border: 1px solid #999; border-radius: 4px; padding: 0 6px; margin: 2px; }
.desktop .mail, .proportional .mail { width: 780px; }
.desktop pre { font: 14px/1.45 "Noto Sans Mono CJK JP", "MS Gothic", monospace; }
.proportional pre { font: 15px/1.5 "Noto Sans CJK JP", Meiryo, sans-serif; }
.phone .mail { width: 375px; } .phone pre { font: 16px/1.5 "Noto Sans CJK JP", "Hiragino Sans", sans-serif; }
.phone header b { font-size: 19px; line-height: 1.35; }
.row { background: #fff; width: 375px; padding: 8px 14px; border-bottom: 1px solid #ddd; box-sizing: border-box; }
.row small { color: #666; font-size: 13px; }
.row p { margin: 0; font-size: 15px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
"""


@dataclass(frozen=True)
class Shown:
    """One mail of the sheets, as it was read back from its bytes."""

    name: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def body(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")

    @property
    def sender(self) -> str:
        address: Address = self.message["From"].addresses[0]
        return address.display_name or address.addr_spec


def shown(language: Any, *, extreme: bool) -> Iterator[Shown]:
    for name, letter in SAMPLES.items():
        stretched: Letter = stretch(letter) if extreme else letter
        attached = (TSV, SHEET) if "request" in name else ()
        yield Shown(name, read(compose(stretched, language, attachments=attached)))


def sheets(mails: Iterable[Shown], way: str) -> list[str]:
    """The mails in rows, as HTML; `way`: a key of PER_SHEET."""
    kept, size, write = list(mails), PER_SHEET[way], _row if way == "list" else _mail
    groups = (kept[at : at + size] for at in range(0, len(kept), size))
    return [f'<div class="sheet {way}">{"".join(map(write, group))}</div>' for group in groups]


def page(rows: list[str], language: str) -> str:
    body = "\n".join(rows)
    head = f"<title>{language}</title><style>{_STYLE}</style>"
    return f'<!DOCTYPE html><html lang="{language}"><meta charset="utf-8">{head}{body}</html>'


def _mail(mail: Shown) -> str:
    files = [part.get_filename() for part in mail.message.iter_attachments()]
    chips = "".join(f"<span>{escape(name or '?')}</span>" for name in files)
    return (
        f'<figure><figcaption>{escape(mail.name)}</figcaption><div class="mail">'
        f"<header><b>{escape(mail.subject)}</b><i>{escape(mail.sender)}</i></header>"
        f"<pre>{escape(mail.body)}</pre>{f'<footer>{chips}</footer>' if chips else ''}</div></figure>"
    )


def _row(mail: Shown) -> str:
    first = mail.body.partition("\n\n")[2].replace("\n", " ")[:60]
    return (
        f'<div class="row"><small>{escape(mail.sender)} · {escape(mail.name)}</small>'
        f"<p><b>{escape(mail.subject)}</b></p><p>{escape(first)}</p></div>"
    )
