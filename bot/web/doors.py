"""What stands behind the two kinds of one-time URL: a certificate in four formats, or a file (threats URL1-URL3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from bot.web.files import File, LongFile, as_list, find_format, write_file
from bot.web.guard import form_token
from bot.web.language import Language
from bot.web.render import Pages
from handlers.context import Context
from handlers.download import Gone, download, look
from handlers.download_file import download_file, look_at_file
from handlers.listing import inventory_lines
from handlers.notices import Notice

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Fetched:
    """The file, and the mails that its first delivery causes."""

    file: File | LongFile
    notices: tuple[Notice, ...] = ()


class Door(Protocol):
    """One kind of URL. `opens` and `page` only read; `fetch` is called under the write lock."""

    def opens(self, ctx: Context, token: str) -> bool: ...

    def page(self, ctx: Context, token: str, language: Language) -> str | None:
        """HTML; None for a URL that is gone."""

    def gone(self, language: Language) -> str: ...

    def takes(self, fields: Fields) -> bool:
        """Whether our page could have sent these fields, besides the token of the form."""

    def fetch(self, ctx: Context, token: str, fields: Fields) -> Fetched | None:
        """None for a URL that is gone; `fields` as taken."""


@dataclass(frozen=True)
class CertificateDoor:
    """`secret`: for the form's token. `chain`: DER, the issuing certificate first."""

    pages: Pages
    secret: bytes
    chain: tuple[bytes, ...]

    def opens(self, ctx: Context, token: str) -> bool:
        return not isinstance(look(ctx, token), Gone)

    def page(self, ctx: Context, token: str, language: Language) -> str | None:
        found = look(ctx, token)
        if isinstance(found, Gone):
            return None
        return self.pages.waiting(
            found,
            language,
            csrf=form_token(self.secret, token),
            utc_offset_hours=ctx.desk.utc_offset_hours,
            repeat_minutes=ctx.desk.repeat_minutes,
        )

    def gone(self, language: Language) -> str:
        return self.pages.gone(language)

    def takes(self, fields: Fields) -> bool:
        return find_format(fields.get("format")) is not None

    def fetch(self, ctx: Context, token: str, fields: Fields) -> Fetched | None:
        form = find_format(fields.get("format"))
        assert form is not None, "fields were taken"
        done = download(ctx, token)
        if isinstance(done, Gone):
            return None
        return Fetched(write_file(form, done.fqdn, done.certificate_der, self.chain), done.notices)


@dataclass(frozen=True)
class FileDoor:
    """`secret`: for the form's token."""

    pages: Pages
    secret: bytes

    def opens(self, ctx: Context, token: str) -> bool:
        return not isinstance(look_at_file(ctx, token), Gone)

    def page(self, ctx: Context, token: str, language: Language) -> str | None:
        found = look_at_file(ctx, token)
        if isinstance(found, Gone):
            return None
        return self.pages.waiting_file(
            found,
            language,
            csrf=form_token(self.secret, token),
            utc_offset_hours=ctx.desk.utc_offset_hours,
            repeat_minutes=ctx.desk.repeat_minutes,
        )

    def gone(self, language: Language) -> str:
        return self.pages.gone(language, "file")

    def takes(self, fields: Fields) -> bool:
        return True

    def fetch(self, ctx: Context, token: str, fields: Fields) -> Fetched | None:
        done = download_file(ctx, token)
        if isinstance(done, Gone):
            return None
        return Fetched(as_list(done.name, partial(inventory_lines, institution=done.institution)))
