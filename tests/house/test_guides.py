"""The guides of docs/ are those that people get by mail, and their pictures are there."""

import re

import pytest

from bot.compose.words import LANGUAGES, OneLanguage, Words, environment
from handlers.letters.applicant import ApplicantHelp
from handlers.letters.lookup import OfficerHelp
from handlers.rules.reasons import Reason
from tests.guides_pages import COMMAND, FOLDER, pages
from tests.letters import DESK

HELPS = {"officer": OfficerHelp("山田 太郎"), "applicant": ApplicantHelp(Reason.HELP, "ヘルプ")}


@pytest.mark.parametrize("name", pages())
def test_the_guides_of_docs_are_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == pages()[name], f"run {COMMAND}"


@pytest.mark.parametrize("name", pages())
def test_every_picture_of_a_guide_is_there(name: str) -> None:
    pictures = re.findall(r"\]\(([^)]+\.png)\)", pages()[name])
    assert pictures
    assert all((FOLDER / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("who", HELPS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_who_asks_for_help_gets_their_whole_guide_and_not_the_other(who: str, language: OneLanguage) -> None:
    made = environment(language, DESK)
    guides = {one: made.get_template(f"_guide_{one}.txt").render().strip() for one in HELPS}
    body = Words(DESK).write(HELPS[who], language).body
    assert guides.pop(who) in body
    assert not any(other in body for other in guides.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_that_was_refused_carries_no_guide(language: OneLanguage) -> None:
    body = Words(DESK).write(ApplicantHelp(Reason.PRIVATE_KEY, "x"), language).body
    assert "openssl" not in body
