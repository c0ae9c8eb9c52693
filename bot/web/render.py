"""The pages: Jinja2 templates, one folder for each language, around one frame with one inline style."""

import base64
import hashlib
from importlib.resources import files
from typing import Literal

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bot.web.files import FORMATS, file_name
from bot.web.language import Language, write_moment
from handlers.download import Waiting
from handlers.download_file import WaitingFile


class Pages:
    """Writes HTML. `style_hash` (base64 SHA-256) lets the browser accept the one style element in it."""

    def __init__(self) -> None:
        self._folder = files("bot.web") / "pages"
        style = (self._folder / "style.css").read_text("utf-8")
        self.style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
        # no sandbox: the templates are ours, and values of visitors or applicants are never templates
        self._templates = Environment(
            loader=FunctionLoader(lambda name: (self._folder / name).read_text("utf-8")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # our own file, and the hash covers these bytes: it must not be escaped
        self._templates.globals["style"] = Markup(style)

    def waiting(
        self,
        waiting: Waiting,
        language: Language,
        *,
        csrf: str,
        utc_offset_hours: int,
        repeat_minutes: int,
    ) -> str:
        """What the URL holds, until when, and a button for each format."""

        def moment(name: str) -> str:
            return write_moment(getattr(waiting, name), language, utc_offset_hours)

        digest = waiting.sha256.upper()
        return self._write(
            "waiting",
            language,
            waiting=waiting,
            until=moment("until"),
            not_after=moment("not_after"),
            # a narrow screen breaks it only after a colon; hex digits have nothing to escape
            fingerprint=Markup(":<wbr>".join(digest[i : i + 2] for i in range(0, len(digest), 2))),
            files={form.id: file_name(form, waiting.fqdn) for form in FORMATS},
            repeat_minutes=repeat_minutes,
            csrf=csrf,
        )

    def waiting_file(
        self,
        waiting: WaitingFile,
        language: Language,
        *,
        csrf: str,
        utc_offset_hours: int,
        repeat_minutes: int,
    ) -> str:
        """The file that the URL holds, until when, and one button."""
        return self._write(
            "waiting_file",
            language,
            waiting=waiting,
            until=write_moment(waiting.until, language, utc_offset_hours),
            repeat_minutes=repeat_minutes,
            csrf=csrf,
        )

    def gone(self, language: Language, kind: Literal["certificate", "file"] = "certificate") -> str:
        """Unknown, expired and used look alike: nothing about the request stands in it (threats URL2).

        `kind`: which the path tells, and who is to be asked for a new URL hangs on.
        """
        return self._write("gone", language, kind=kind)

    def form_fault(self, language: Language) -> str:
        """The form did not come from our page."""
        return self._write("form_fault", language)

    def wait(self, language: Language, seconds: int) -> str:
        """Too many wrong URLs from this address."""
        return self._write("wait", language, minutes=-(-seconds // 60))

    def trouble(self, language: Language) -> str:
        """Our fault, or the store's: nothing was consumed."""
        return self._write("trouble", language)

    def _write(self, name: str, language: Language, **values: object) -> str:
        return self._templates.get_template(f"{language}/{name}.html").render(language=language, **values)
