"""One-time URLs in the store."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from store.downloads import create_url, find_url, mark_used
from store.tables import Certificate
from tests.issued import NOW, Issued

LATER = NOW + timedelta(days=30)


@pytest.fixture
def issued(tmp_path: Path) -> Iterator[Issued]:
    world = Issued(tmp_path)
    yield world
    world.close()


def test_URL2_a_token_is_stored_only_as_its_digest(issued: Issued, tmp_path: Path) -> None:
    token = issued.issue()
    with issued.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM download_urls")).all()
    assert rows[0][0] == hashlib.sha256(token.encode()).hexdigest()
    files = list(tmp_path.glob("ringi.db*"))
    assert files
    assert all(token.encode() not in f.read_bytes() for f in files)


def test_a_url_is_found_by_its_token_alone(issued: Issued) -> None:
    token, other = issued.issue("a.example.ac.jp"), issued.issue("b.example.ac.jp")
    with issued.reading() as ctx:
        found, second = find_url(ctx.session, token), find_url(ctx.session, other)
        assert found is not None
        assert second is not None
        assert found.certificate.entry.fqdn == "a.example.ac.jp"
        assert second.certificate.entry.fqdn == "b.example.ac.jp"
        assert find_url(ctx.session, found.token_sha256) is None
        assert find_url(ctx.session, "") is None
        assert find_url(ctx.session, "\udc80") is None


def test_a_url_keeps_its_times(issued: Issued) -> None:
    token = issued.issue()
    with issued.writing() as ctx:
        certificate = ctx.session.query(Certificate).one()
        create_url(ctx.session, certificate, "second", NOW, LATER)
    with issued.reading() as ctx:
        url = find_url(ctx.session, "second")
        assert url is not None
        assert (url.created_at, url.expires_at, url.first_used_at) == (NOW, LATER, None)
        assert find_url(ctx.session, token) is not None


def test_only_one_use_is_the_first_and_its_time_stays(issued: Issued) -> None:
    token = issued.issue()
    with issued.writing() as ctx:
        url = find_url(ctx.session, token)
        assert url is not None
        assert mark_used(ctx.session, url, NOW) is True
        assert mark_used(ctx.session, url, LATER) is False
        assert url.first_used_at == NOW
    with issued.writing() as ctx:
        url = find_url(ctx.session, token)
        assert url is not None
        assert mark_used(ctx.session, url, LATER) is False
    with issued.reading() as ctx:
        url = find_url(ctx.session, token)
        assert url is not None
        assert url.first_used_at == NOW


def test_using_one_url_leaves_the_others_unused(issued: Issued) -> None:
    token, other = issued.issue("a.example.ac.jp"), issued.issue("b.example.ac.jp")
    with issued.writing() as ctx:
        url, second = find_url(ctx.session, token), find_url(ctx.session, other)
        assert url is not None
        assert second is not None
        mark_used(ctx.session, url, NOW)
        ctx.session.refresh(second)
        assert second.first_used_at is None
