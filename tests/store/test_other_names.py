"""Rows are found by every name of theirs, also those from before there was a table for that."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, select, text

import store.transaction
from store.tables import FileUrl, OtherName
from store.transaction import open_store, reading, upgrade, writing
from tests.applications import open_world, tsv_line

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def at_revision(url: str, revision: str) -> Engine:
    """A store as an earlier version of the program made it."""
    engine = open_store(url)
    config = Config()
    config.set_main_option("script_location", str(Path(store.transaction.__file__).parent / "migrations"))
    with engine.connect().execution_options(ringi_write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine


def names(engine: Engine) -> set[tuple[int, str]]:
    with reading(engine) as session:
        return {(row.entry_id, row.name) for row in session.scalars(select(OtherName))}


def test_an_older_store_gets_the_names_of_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = at_revision(f"sqlite:///{tmp_path}/ringi.db", "0003")
    listed = (
        "a.example.jp",
        "b.example.jp\nb2.example.jp\nb3.example.jp",
        "c.example.jp",
        "d.example.jp\nd2.example.jp",
    )
    with writing(engine) as session:
        session.execute(text("INSERT INTO blobs VALUES ('x', x'00')"))
        session.execute(
            text(
                "INSERT INTO applications (number, institution, kind, error_mode, state, mail_sha256, file_sha256,"
                " file_name, encoding, sheet_sha256, code, sender, received_at, deadline)"
                " VALUES ('A-1', 'i', 'issue', 'stop_all', 'closed', 'x', 'x', 'f', 'CP932', 'x', 'c', 's', :at, :at)"
            ),
            {"at": NOW},
        )
        for seq, found in enumerate(listed, 1):
            session.execute(
                text(
                    "INSERT INTO entries (number, seq, state, raw_line, subject_dn, comment, match_key, fqdn,"
                    " dns_names, public_key, contact_name, contact_department, contact_mail, software)"
                    " VALUES ('A-1', :seq, 'issued', x'00', 'd', '', 'k', :fqdn, :names, '', 'n', '', 'm', '')"
                ),
                {"seq": seq, "fqdn": found.split("\n")[0], "names": found},
            )
        session.execute(
            text("INSERT INTO file_urls VALUES ('t', 'x', 'serverAll.tsv', 'i', :at, :at, NULL)"), {"at": NOW}
        )
    upgrade(engine)
    assert names(engine) == {(2, "b2.example.jp"), (2, "b3.example.jp"), (4, "d2.example.jp")}
    with reading(engine) as session:
        url = session.get_one(FileUrl, "t")
        assert (url.name, url.institution, url.expires_at) == ("serverAll.tsv", "i", NOW)


def test_a_row_that_is_taken_is_kept_under_its_other_names(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    world.take(
        tsv_line("a.example.ac.jp", c13="dNSName=b.example.ac.jp,dNSName=c.example.ac.jp"),
        tsv_line("d.example.ac.jp"),
    )
    assert names(world.engine) == {(1, "b.example.ac.jp"), (1, "c.example.ac.jp")}
