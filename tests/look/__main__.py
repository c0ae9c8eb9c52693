"""`make look`: mails and download page as people see them, as HTML and, where Chromium is, as pictures."""

import sys
from pathlib import Path

from tests.browser import chromium
from tests.conftest import find_program
from tests.look.mails import PER_SHEET, page, sheets, shown
from tests.look.pages import take_page_pictures, write_pages


def main(folder: Path, words: list[str]) -> None:
    """`words`: only mails whose sample's name holds one of them; `page` is the download page."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, tuple[str, list[str]]] = {}
    for language in ("ja", "en"):
        for extreme in (False, True):
            mails = [
                mail
                for mail in shown(language, extreme=extreme)
                if not words or any(word in mail.name for word in words)
            ]
            for way in PER_SHEET:
                name = f"mails-{language}-{way}{'-longest' if extreme else ''}"
                rows[name] = (language, sheets(mails, way))
    for name, (language, found) in rows.items():
        (folder / f"{name}.html").write_text(page(found, language), "utf-8")
    has_page = not words or "page" in words
    count = write_pages(folder) if has_page else 0
    sys.stdout.write(f"{len(rows) + count} pages in {folder}\n")
    if path := find_program("chromium"):
        sys.stdout.write(f"{_take_pictures(path, folder, rows, has_page)} pictures\n")
    else:
        sys.stdout.write(
            "no pictures: Chromium is missing; on Debian: apt-get install chromium fonts-noto-cjk\n"
        )


def _take_pictures(path: str, folder: Path, rows: dict[str, tuple[str, list[str]]], has_page: bool) -> int:
    """A page of its own for each sheet: one of all mails takes a minute to draw."""
    with chromium(path) as browser:
        count = take_page_pictures(browser, folder) if has_page else 0
        for name, (language, found) in rows.items():
            for place, sheet in enumerate(found, 1):
                tab = browser.new_page(viewport={"width": 1640, "height": 1000})
                tab.set_content(page([sheet], language))
                tab.locator(".sheet").screenshot(path=folder / f"{name}-{place:02}.png")
                tab.close()
                count += 1
    return count


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
