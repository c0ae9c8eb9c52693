"""The guides' pictures: our own mail and page on a phone. `python -m tests.look.guides` draws them anew."""

from tests.browser import PHONE, chromium, visitor
from tests.conftest import find_program
from tests.guides_pages import FOLDER
from tests.look.mails import page, sheets, shown
from tests.look.pages import open_site

_ENDINGS = {"ja": "", "en": "-en"}


def main() -> None:
    folder = FOLDER / "pictures"
    folder.mkdir(exist_ok=True)
    path = find_program("chromium")
    assert path, "Chromium is missing; on Debian: apt-get install chromium fonts-noto-cjk"
    with chromium(path) as browser, open_site() as (site, paths):
        for language, ending in _ENDINGS.items():
            mails = [mail for mail in shown(language, extreme=False) if mail.name == "request"]
            with visitor(browser, size=(375, 900), language=language) as tab:
                tab.set_content(page(sheets(mails, "phone"), language))
                mail = tab.locator(".mail").bounding_box()
                assert mail
                clip = {"x": mail["x"], "y": mail["y"], "width": mail["width"], "height": 800}
                tab.screenshot(path=folder / f"request{ending}.png", clip=clip, full_page=True, scale="css")
            with visitor(browser, size=PHONE, language=language) as tab:
                tab.goto(site.base + paths["waiting"])
                tab.screenshot(path=folder / f"page{ending}.png", scale="css")


if __name__ == "__main__":
    main()
