"""The TSV tool as one HTML page that needs nothing else: served at /tsv, or written as a file that works from a disk
(manual 1-1-2: TSV作成用Webアプリケーション).

The tables of the rules are put into it when it is made. It sends nothing: its policy forbids every connection.
"""

import base64
import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import FunctionLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from bot.web.language import Language
from handlers.context import Desk
from handlers.rules.register import Institution
from handlers.rules.tsv_tables import Plain, tables

# one script, in this order: what judges, then what shows
JUDGING = ("characters.js", "der.js", "names.js", "csr.js", "judge.js", "tsv.js")
SHOWING = ("dom.js", "state.js", "form.js", "rows.js", "finish.js", "viewer.js", "app.js")
_LIBRARY = "vendor/encoding.min.js"
_LANGUAGES: tuple[Language, ...] = ("ja", "en")
_FOLDER = files("bot.web") / "tsv"


@dataclass(frozen=True)
class TsvPage:
    """`policy`: the value of its Content-Security-Policy, for a server that can send headers."""

    html: str
    policy: str


def write_page(desk: Desk, institutions: Iterable[Institution], language: Language | None) -> TsvPage:
    """`language`: what it opens in; None: the browser's own."""
    library, script = _read(_LIBRARY), _script()
    style = _read("style.css")
    policy = (
        "default-src 'none'",
        f"script-src 'sha256-{_digest(library)}' 'sha256-{_digest(script)}'",
        f"style-src 'sha256-{_digest(style)}'",
        "form-action 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    html = _template().render(
        policy="; ".join(policy),
        style=Markup(style),
        library=Markup(library),
        script=Markup(script),
        tables=_as_json(page_tables(desk, institutions)),
        language=language or "ja",
        is_chosen=language is not None,
        words=_words(),
    )
    return TsvPage(html, "; ".join((*policy, "frame-ancestors 'none'")))


def page_tables(desk: Desk, institutions: Iterable[Institution]) -> Plain:
    """What the page's script reads: the rules' tables, the desk's address, the page's own words."""
    active = [one for one in institutions if one.active]
    rules = tables(active, desk.profiles, max_rows=desk.max_rows, strict_jisx0208=desk.strict_jisx0208)
    return {**rules, "address": desk.address, "page": _words()}


def judging_script() -> tuple[str, str]:
    """The library and our own script without what shows: for a test that judges outside a browser."""
    return _read(_LIBRARY), "\n".join(map(_read, JUDGING))


def _script() -> str:
    parts = "\n".join(_read(name) for name in (*JUDGING, *SHOWING))
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def _words() -> dict[Language, dict[str, str]]:
    return {language: tomllib.loads(_read(f"{language}.toml")) for language in _LANGUAGES}


def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _as_json(value: Plain) -> Markup:
    # no end tag can stand in it, whatever the register says
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _read(name: str) -> str:
    return _FOLDER.joinpath(*name.split("/")).read_text("utf-8")
