"""docs/guides from the guides that the help mails carry; `python -m tests.guides_pages` writes them anew."""

import re
from pathlib import Path

from bot.compose.words import LANGUAGES, OneLanguage, environment
from handlers.context import Desk

FOLDER = Path(__file__).parents[1] / "docs" / "guides"
COMMAND = "python -m tests.guides_pages"
_DESK = Desk("desk", "certs@example.ac.jp", "https://certs.example.ac.jp")

_TITLES = {
    ("officer", "ja"): (
        "登録担当者の手引き",
        "「ヘルプ」と書いた署名付きのメールへの返事にも、同じ手引きがあります。",
    ),
    ("officer", "en"): (
        "Guide for officers",
        "The same guide comes in answer to a signed mail that says HELP.",
    ),
    ("applicant", "ja"): ("利用管理者の手引き", "申請でないメールへの返事にも、同じ手引きがあります。"),
    ("applicant", "en"): (
        "Guide for applicants",
        "The same guide comes in answer to any mail that is no application.",
    ),
}
# pictures of our own, drawn by `python -m tests.look.guides`: section -> (file, what it shows)
_PICTURES = {
    ("officer", "ja", 1): ("request.png", "承認のお願いのメールの初め(携帯電話)"),
    ("officer", "en", 1): ("request-en.png", "How a request for approval begins (on a phone)"),
    ("applicant", "ja", 3): ("page.png", "証明書を受け取るページ(携帯電話)"),
    ("applicant", "en", 3): ("page-en.png", "The page where a certificate is fetched (on a phone)"),
}


def pages() -> dict[str, str]:
    """File name -> what it holds."""
    return {f"{who}s.{language}.md": _page(who, language) for who, language in _TITLES}


def _page(who: str, language: str) -> str:
    title, note = _TITLES[who, language]
    one = next(one for one in LANGUAGES if one == language)
    text = environment(one, _DESK).get_template(f"_guide_{who}.txt").render()
    lines = [f"# {title}", "", note, f"<!-- made from mail_templates/{language} by `{COMMAND}` -->"]
    for place, section in enumerate(text.strip().split("\n\n■ ")):
        heading, _, body = section.removeprefix("■ ").partition("\n")
        lines += ["", f"## {heading}", ""]
        if picture := _PICTURES.get((who, language, place)):
            lines += [f"![{picture[1]}](pictures/{picture[0]})", ""]
        lines += _markdown(body, one)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _markdown(body: str, language: OneLanguage) -> list[str]:
    """Items and lines to copy; other lines of a mail become one paragraph, or the item that they go on with."""
    lines: list[str] = []
    kind = ""
    for line in body.splitlines():
        text = line.strip(" 　")
        if not text:
            kind = ""
            continue
        if line.startswith("｜ "):
            lines += ["", f"    {text[2:]}"] if kind != "copy" else [f"    {text[2:]}"]
            kind = "copy"
        elif line.startswith("　　") and kind in ("item", "column"):
            lines.append(f"    {text}" if kind == "item" else f"  {text}")
        elif line != text and kind == "item":
            lines.append(f"  - {text}" if line.startswith("　") else f"   {text}")
        elif re.match(r"・|- |\d\. |　", line):
            item = text if text[0].isdigit() and ". " in text[:3] else f"- {re.sub('^・|^- ', '', text)}"
            lines += [item] if kind in ("item", "column") else ["", item]
            kind = "column" if line.startswith("　") else "item"
        elif kind == "prose" and not re.search(r"@\S+$", lines[-1]):
            lines[-1] += ("" if language == "ja" else " ") + text
        else:
            lines += ["", text]
            kind = "prose"
    return lines


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
