"""A list too large for a mail, fetched once over HTTP under the rules of a certificate (threats URL1-URL3)."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from handlers.download import new_token
from handlers.listing import inventory_lines
from store import file_urls, journal
from tests.issued import NOW
from tests.web_world import Site, form_of, serving

UNTIL = NOW + timedelta(days=7)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as running:
        yield running


def offer(site: Site, name: str = "serverAll.tsv", expires_at: datetime = UNTIL) -> str:
    """The path of a new URL."""
    with site.issued.writing() as ctx:
        token = new_token(ctx.random)
        file_urls.create_url(ctx.session, "testkikan", name, token, ctx.now, expires_at)
    return f"/f/{token}"


def csrf_of(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found, "the page has no form"
    return {"csrf": found[1]}


def content(site: Site) -> bytes:
    """Of the file as it is made now."""
    with site.issued.reading() as ctx:
        return b"".join(inventory_lines(ctx, "testkikan"))


def uses(site: Site) -> tuple[int, list[str]]:
    """URLs that were used, and what the journal says."""
    with site.issued.reading() as ctx:
        used = ctx.session.execute(text("SELECT count(first_used_at) FROM file_urls")).scalar_one()
        return used, [entry.event for entry in journal.entries(ctx.session)]


def test_the_page_says_which_file_how_long_and_until_when(site: Site) -> None:
    path = offer(site)
    site.issued.issue()
    site.issued.issue("test2.example.ac.jp")
    with site.client() as client:
        for language, words in (
            ("ja", ("2026年11月29日(日) 12:04", "1回だけ", "10分間", "2件")),
            ("en", ("Sun 29 Nov 2026, 12:04 (UTC+9)", "only once", "10 minutes", "2 rows")),
        ):
            page = client.get(path, params={"lang": language})
            assert page.headers["Content-Language"] == language
            for part in (*words, "serverAll.tsv"):
                assert part in page.text
            assert page.text.count("<button") == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_URL1_opening_the_link_of_a_list_never_uses_it_up(site: Site, method: str) -> None:
    path = offer(site)
    with site.client() as client:
        for _ in range(3):
            assert client.request(method, path).status_code == (204 if method == "OPTIONS" else 200)
        assert uses(site) == (0, [])
        assert client.post(path, data=csrf_of(client.get(path))).status_code == 200


def test_URL1_the_button_delivers_the_list_and_is_journaled_once(site: Site) -> None:
    path = offer(site)
    for n in range(30):
        site.issued.issue(f"test{n}.example.ac.jp")
    with site.client() as client:
        form = csrf_of(client.get(path))
        answers = [client.post(path, data=form) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200
        # Shift_JIS: what calls it UTF-8 on its way breaks it
        assert answer.content == content(site)
        assert len(answer.content.splitlines()) == 31
        assert answer.headers["Content-Length"] == str(len(answer.content))
        assert answer.headers["Content-Disposition"] == 'attachment; filename="serverAll.tsv"'
        assert answer.headers["Content-Type"] == "text/tab-separated-values"
    assert uses(site) == (1, ["list_fetched"])
    assert not site.outbox()


def test_URL1_a_list_is_saved_again_for_ten_minutes_and_then_is_gone(site: Site) -> None:
    path = offer(site)
    with site.client() as client:
        form = csrf_of(client.get(path))
        assert client.post(path, data=form).status_code == 200
        site.issued.now = NOW + timedelta(minutes=9, seconds=59)
        assert "2026年11月22日(日) 12:14" in client.get(path).text
        assert client.post(path, data=form).status_code == 200
        site.issued.now = NOW + timedelta(minutes=10)
        assert client.post(path, data=form).status_code == 410
        assert client.get(path).status_code == 410
    assert uses(site) == (1, ["list_fetched"])


@pytest.mark.parametrize("form", [{}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}])
def test_URL1_a_post_that_is_not_from_the_page_delivers_no_list(site: Site, form: dict[str, str]) -> None:
    path, other = offer(site), offer(site)
    with site.client() as client:
        assert client.post(path, data=form).status_code == 403
        assert client.post(path, data=csrf_of(client.get(other))).status_code == 403
        assert client.post(path, content=b"a" * 10_000).status_code == 413
    assert uses(site) == (0, [])


def test_URL2_unknown_expired_and_used_lists_look_alike(site: Site) -> None:
    used, expired = offer(site), offer(site, expires_at=NOW + timedelta(minutes=5))
    with site.client() as client:
        form = csrf_of(client.get(expired))
        client.post(used, data=csrf_of(client.get(used)))
        site.issued.now = NOW + timedelta(minutes=11)
        answers = [client.get(path) for path in (used, expired, "/f/unknown")]
        answers.append(client.post(expired, data=form))
    assert {a.status_code for a in answers} == {410}
    assert len({a.content for a in answers}) == 1
    assert "「一覧」" in answers[0].text


def test_URL2_a_token_opens_only_the_kind_of_url_it_was_made_for(site: Site) -> None:
    certificate, file = site.issued.issue(), offer(site).removeprefix("/f/")
    with site.client() as client:
        form = form_of(client.get(f"/d/{certificate}").text)
        assert client.post(f"/f/{certificate}", data=form).status_code == 410
        assert client.get(f"/d/{file}").status_code == 410
    assert uses(site) == (0, [])


def test_URL2_guesses_at_lists_and_certificates_count_together(site: Site) -> None:
    path = offer(site)
    with site.client() as client:
        answers = [client.get(f"/{'df'[n % 2]}/{n}").status_code for n in range(31)]
        assert answers == [410] * 30 + [429]
        assert client.get(path).status_code == 200


def test_URL2_the_token_of_a_list_is_stored_only_as_its_digest(site: Site) -> None:
    token = offer(site).removeprefix("/f/")
    with site.issued.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM file_urls")).all()
    assert [row[0] for row in rows] == [sha256(token.encode()).hexdigest()]
    assert token not in repr(rows)


def test_URL3_the_answers_about_a_list_keep_the_token_in(site: Site) -> None:
    path = offer(site)
    with site.client() as client:
        page = client.get(path)
        answers = [page, client.post(path, data={}), client.post(path, data=csrf_of(page))]
    assert path.removeprefix("/f/") not in page.text
    assert not re.search(r"<(script|img|link|iframe|object)|\son\w+=|https?://", page.text)
    for answer in answers:
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "form-action 'self'" in answer.headers["Content-Security-Policy"]


def test_INJ1_the_name_of_a_list_cannot_break_out_of_the_header_or_the_page(site: Site) -> None:
    path = offer(site, '<b>"\r\n.tsv')
    with site.client() as client:
        page = client.get(path)
        assert "<b>" not in page.text
        answer = client.post(path, data=csrf_of(page))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="_b____.tsv"'
