"""The TSV tool's page: what is in it, where it comes from, and how it is served."""

import base64
import hashlib
import io
import json
import re
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from bot.web.tsv_page import JUDGING, SHOWING, page_tables, write_page
from handlers.apply import _DRY_RUN, _kind_of_subject
from handlers.contact import _WORDS
from handlers.context import Desk
from store.states import Kind
from tests.applications import a_mail
from tests.rules.issue_rows import OFFICER, TESTKIKAN
from tests.web_world import Site, serving

DECLARED = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.M)
VENDOR = Path(__file__).parents[1] / "vendor"
FOLDER = Path(str(files("bot.web"))) / "tsv"
DESK = Desk(instance="ringi", address="ra@example.ac.jp", public_url="https://ra.example.ac.jp")
WORDS = {
    language: tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8")) for language in ("ja", "en")
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as running:
        yield running


def scripts_of(html: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", html, re.S)


def tables_of(html: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="tables">(.*?)</script>', html, re.S)
    assert found
    tables: dict[str, object] = json.loads(found[1])
    return tables


@pytest.mark.parametrize(("accepted", "language"), [("ja,en;q=0.5", "ja"), ("en-GB", "en"), ("fr", "en")])
def test_it_is_served_in_the_language_that_the_browser_asks_for(
    site: Site, accepted: str, language: str
) -> None:
    with site.client(**{"Accept-Language": accepted}) as client:
        answer = client.get("/tsv")
        other = client.get("/tsv?lang=ja")
    assert answer.status_code == 200
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert f"<title>{WORDS[language]['title']}</title>" in answer.text
    assert '<html lang="ja">' in other.text


def test_its_policy_allows_its_own_bytes_and_nothing_else(site: Site) -> None:
    with site.client() as client:
        answer = client.get("/tsv")
        elsewhere = client.get("/health")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in scripts_of(answer.text)
    ]
    assert len(hashes) == 2
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == " ".join(hashes)
    assert "connect-src" not in policy
    assert not {"unsafe", "http:", "https:", "data:", "*"} & set(
        re.split(r"[\s'-]+", " ".join(policy.values()))
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    # what other answers bring stays as strict as it was
    assert "script-src" not in elsewhere.headers["content-security-policy"]
    # a file has no headers: the same policy stands in it, but for what only a header may say
    meta = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', answer.text)
    assert meta
    assert (
        meta[1].replace("&#39;", "'") + "; frame-ancestors 'none'"
        == answer.headers["content-security-policy"]
    )


def test_it_asks_for_nothing_outside(site: Site) -> None:
    page = write_page(DESK, [TESTKIKAN], None).html
    assert re.findall(r"""(?:src|href|action)\s*=\s*["'](?!#)""", page.split("<script>")[0]) == []
    ours = scripts_of(page)[1]
    assert not re.search(
        r"\bfetch\b|XMLHttpRequest|WebSocket|sendBeacon|EventSource|innerHTML|\beval\b|import\(", ours
    )
    assert "data-language" not in page


def test_it_holds_the_register_as_it_stands_in_certificates_and_no_person() -> None:
    quiet = TESTKIKAN.model_copy(update={"id": "quiet", "active": False})
    html = write_page(DESK, [TESTKIKAN, quiet], "ja").html
    tables = tables_of(html)
    assert tables == json.loads(json.dumps(page_tables(DESK, [TESTKIKAN, quiet])))
    assert [one["id"] for one in tables["institutions"]] == ["testkikan"]  # type: ignore[attr-defined]
    assert "officers" not in tables["institutions"][0]  # type: ignore[index]
    for word in (OFFICER.name, OFFICER.notify):
        assert word not in html


def test_a_hostile_name_in_the_register_ends_no_script() -> None:
    hostile = TESTKIKAN.model_copy(update={"name": "</script><script>alert(1)</script><!--"})
    html = write_page(DESK, [hostile], "ja").html
    assert html.count("</script>") == 3
    assert tables_of(html)["institutions"][0]["name"] == hostile.name  # type: ignore[index]


def test_the_two_languages_say_the_same_things() -> None:
    places = {
        language: {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in words.items()}
        for language, words in WORDS.items()
    }
    assert places["ja"] == places["en"]


def test_every_word_that_is_used_is_there_and_none_is_left_over() -> None:
    source = "".join(path.read_text("utf-8") for path in (*FOLDER.glob("*.js"), FOLDER / "page.html"))
    named = set(re.findall(r"""(?:\bt\("|data-text="|words\.ja\.)([a-z_]+)""", source))
    assert named - WORDS["ja"].keys() == set()
    # some names are put together: t(`kind_${kind}`)
    begun = tuple(set(re.findall(r"`([a-z]+_)\$\{", source)))
    assert {key for key in WORDS["ja"] if key not in source and not key.startswith(begun)} == set()


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("kind", list(Kind))
def test_the_mails_it_begins_are_read_as_what_they_say(language: str, kind: Kind) -> None:
    subject = WORDS[language][f"subject_{kind}"]
    check = WORDS[language]["subject_check"].format(subject=subject)
    for text, is_dry_run in ((subject, False), (check, True)):
        assert _kind_of_subject(a_mail(subject=text)) is kind
        assert bool(_DRY_RUN.search(text)) is is_dry_run


def test_the_officers_mail_holds_the_word_that_changes_contacts() -> None:
    assert {WORDS[language]["body_contact"].upper() for language in WORDS} <= _WORDS


def test_no_two_parts_of_the_script_declare_the_same_name() -> None:
    """They share one scope, where the later would silently take the place of the earlier."""
    declared = [
        name
        for part in (*JUDGING, *SHOWING)
        for name in re.findall(
            r"^(?:async )?(?:function|class|const|let) (\w+)", (FOLDER / part).read_text("utf-8"), re.M
        )
    ]
    assert len(declared) > 100
    assert sorted(name for name in set(declared) if declared.count(name) > 1) == []
    assert {path.name for path in FOLDER.glob("*.js")} == {*JUDGING, *SHOWING}


def test_the_vendored_library_is_the_one_that_the_lock_names() -> None:
    lock = json.loads((VENDOR / "package-lock.json").read_text("utf-8"))
    package = lock["packages"]["node_modules/encoding-japanese"]
    assert "resolved" not in package
    archive = (VENDOR / f"encoding-japanese-{package['version']}.tgz").read_bytes()
    assert package["integrity"] == f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        for name, ours in (("encoding.min.js", "encoding.min.js"), ("LICENSE", "encoding-japanese.LICENSE")):
            member = packed.extractfile(f"package/{name}")
            assert member
            assert (FOLDER / "vendor" / ours).read_bytes() == member.read()
