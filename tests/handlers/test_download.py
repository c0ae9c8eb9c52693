"""Looking at and fetching a certificate by its one-time URL."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.download import Delivered, Gone, Waiting, download, look, new_token, url_deadline
from handlers.incoming import Scheme
from handlers.letters.applicant import ApplicantDownloaded
from handlers.letters.monitor import MonitorAlarm
from handlers.letters.officer import OfficerDownloaded, OfficerRenewalDownloaded
from store import inbox, journal, reply_tokens, returned_tsvs
from store.states import EntryState
from store.tables import Certificate, Due, Entry
from tests.issued import DESK, NOW, TESTKIKAN, Issued, a_register, an_officer

DN = ("CN=test1.example.ac.jp", "O=testkikan", "L=Chiyoda-ku", "ST=Tokyo", "C=JP")
SERIAL = 1_000_000_000_000_000_000_001


@pytest.fixture
def issued(tmp_path: Path) -> Iterator[Issued]:
    world = Issued(tmp_path)
    yield world
    world.close()


def fetch(issued: Issued, token: str) -> Delivered | Gone:
    with issued.writing() as ctx:
        return download(ctx, token)


def glance(issued: Issued, token: str) -> Waiting | Gone:
    with issued.reading() as ctx:
        return look(ctx, token)


def state(issued: Issued) -> tuple[EntryState, list[str]]:
    with issued.reading() as ctx:
        entry = ctx.session.query(Entry).one()
        return entry.state, [e.event for e in journal.entries(ctx.session)]


def test_URL1_the_first_fetch_delivers_records_and_tells_every_officer(issued: Issued) -> None:
    token = issued.issue()
    done = fetch(issued, token)
    assert isinstance(done, Delivered)
    assert (done.number, done.fqdn, done.serial) == ("A-20261122-0001", "test1.example.ac.jp", SERIAL)
    assert state(issued) == (EntryState.DOWNLOADED, ["downloaded"])
    assert [n.to for n in done.notices] == [
        "suzuki@testkikan.example.ac.jp",
        "tanaka@testkikan.example.ac.jp",
    ]
    for notice in done.notices:
        assert notice.letter == OfficerDownloaded("A-20261122-0001", DN, SERIAL)
        assert (notice.number, notice.sign, notice.language) == ("A-20261122-0001", Scheme.OPENPGP, "ja")
    with issued.reading() as ctx:
        entry = next(journal.entries(ctx.session))
        assert json.loads(entry.facts) == {"number": "A-20261122-0001", "seq": 1, "serial": str(SERIAL)}
        assert entry.at == NOW
        assert done.certificate_der == ctx.session.query(Certificate).one().der


def test_URL1_looking_shows_everything_and_changes_nothing(issued: Issued) -> None:
    until = NOW + timedelta(days=30)
    token = issued.issue(expires_at=until)
    seen = [glance(issued, token) for _ in range(3)]
    waiting = seen[0]
    assert isinstance(waiting, Waiting)
    assert seen == [waiting] * 3
    assert (waiting.dn, waiting.serial, waiting.dns_names) == (DN, SERIAL, ("test1.example.ac.jp",))
    assert (waiting.until, waiting.used) == (until, False)
    assert waiting.not_after == NOW + timedelta(days=396, seconds=-1)
    assert state(issued) == (EntryState.ISSUED, [])


def test_URL1_looking_does_not_write_even_where_it_could(issued: Issued) -> None:
    token = issued.issue()
    with issued.writing() as ctx:
        look(ctx, token)
        assert not ctx.session.dirty
        assert not ctx.session.new
    assert state(issued) == (EntryState.ISSUED, [])


def test_URL1_repeats_deliver_for_ten_minutes_and_tell_nobody(issued: Issued) -> None:
    token = issued.issue()
    first = fetch(issued, token)
    assert isinstance(first, Delivered)
    issued.now = NOW + timedelta(minutes=10, seconds=-1)
    again = fetch(issued, token)
    assert again == replace(first, notices=())
    waiting = glance(issued, token)
    assert isinstance(waiting, Waiting)
    assert (waiting.used, waiting.until) == (True, NOW + timedelta(minutes=10))
    issued.now = NOW + timedelta(minutes=10)
    assert fetch(issued, token) == glance(issued, token) == Gone()
    assert state(issued) == (EntryState.DOWNLOADED, ["downloaded"])


def test_a_repeat_does_not_prolong_the_ten_minutes(issued: Issued) -> None:
    token = issued.issue()
    for minutes, expected in ((0, Delivered), (6, Delivered), (11, Gone)):
        issued.now = NOW + timedelta(minutes=minutes)
        assert isinstance(fetch(issued, token), expected)


def test_without_a_time_for_repeats_a_url_works_exactly_once(issued: Issued) -> None:
    token = issued.issue()
    issued.repeat_for(0)
    assert isinstance(fetch(issued, token), Delivered)
    assert fetch(issued, token) == glance(issued, token) == Gone()


def test_URL2_unknown_expired_and_used_are_the_same_value(issued: Issued) -> None:
    used, expired = issued.issue("a.example.ac.jp"), issued.issue("b.example.ac.jp", expires_at=NOW)
    fetch(issued, used)
    issued.now = NOW + timedelta(minutes=11)
    for token in (used, expired, "unknown", ""):
        assert fetch(issued, token) == glance(issued, token) == Gone()


def test_URL2_the_last_second_still_counts(issued: Issued) -> None:
    token = issued.issue(expires_at=NOW)
    assert isinstance(glance(issued, token), Waiting)
    issued.now = NOW + timedelta(seconds=1)
    assert glance(issued, token) == fetch(issued, token) == Gone()
    assert state(issued) == (EntryState.ISSUED, [])


def test_who_began_just_in_time_may_repeat_after_the_deadline(issued: Issued) -> None:
    token = issued.issue(expires_at=NOW)
    assert isinstance(fetch(issued, token), Delivered)
    issued.now = NOW + timedelta(minutes=9)
    assert isinstance(fetch(issued, token), Delivered)


def test_URL2_a_url_issued_again_works_and_a_second_fetch_is_journalled_but_not_news(issued: Issued) -> None:
    first = issued.issue()
    second = issued.issue_url_again()
    assert first != second
    done, again = fetch(issued, second), fetch(issued, first)
    assert isinstance(done, Delivered)
    assert isinstance(again, Delivered)
    assert len(done.notices) == 2
    assert again.notices == ()
    assert state(issued) == (EntryState.DOWNLOADED, ["downloaded", "downloaded"])


def test_a_certificate_that_is_not_signed_yet_cannot_be_fetched(issued: Issued) -> None:
    token = issued.issue()
    with issued.writing() as ctx:
        ctx.session.query(Certificate).one().der = None
    assert glance(issued, token) == fetch(issued, token) == Gone()
    assert state(issued) == (EntryState.ISSUED, [])


def test_officers_who_share_an_address_get_one_mail_there(issued: Issued) -> None:
    shared = {"addresses": ("ra@testkikan.example.ac.jp",), "notify": "ra@testkikan.example.ac.jp"}
    officers = (an_officer("suzuki", **shared), an_officer("tanaka", **shared), an_officer("sato"))
    issued.register = a_register(TESTKIKAN.model_copy(update={"officers": officers}))
    done = fetch(issued, issued.issue())
    assert isinstance(done, Delivered)
    assert [n.to for n in done.notices] == ["ra@testkikan.example.ac.jp", "sato@testkikan.example.ac.jp"]


def test_the_monitors_hear_of_a_fetch_whose_institution_left_the_register(issued: Issued) -> None:
    issued.register = a_register()
    done = fetch(issued, issued.issue())
    assert isinstance(done, Delivered)
    assert [n.to for n in done.notices] == ["watch@example.ac.jp"]
    assert isinstance(done.notices[0].letter, MonitorAlarm)


def renewal(issued: Issued) -> str:
    """Row 2 renews row 1; the token of its URL."""
    issued.issue()
    return issued.issue(replaces=1)


def open_kinds(issued: Issued) -> list[tuple[str, str, int]]:
    """(kind, serial, days from now) of what is planned."""
    with issued.reading() as ctx:
        dues = ctx.session.query(Due).filter(Due.done_at.is_(None)).order_by(Due.due_at)
        return [(due.kind, due.what, (due.due_at - issued.now).days) for due in dues]


def test_a_new_certificate_s_download_is_noted_and_plans_nothing(issued: Issued) -> None:
    fetch(issued, issued.issue())
    with issued.reading() as ctx:
        assert issued.certificate(ctx, 1).downloaded_at == NOW
    assert open_kinds(issued) == []


def test_a_renewal_s_download_brings_the_officers_the_revocation_tsv(issued: Issued) -> None:
    done = fetch(issued, renewal(issued))
    assert isinstance(done, Delivered)
    to_officers = [n for n in done.notices if isinstance(n.letter, OfficerRenewalDownloaded)]
    assert [n.to for n in to_officers] == ["suzuki@testkikan.example.ac.jp", "tanaka@testkikan.example.ac.jp"]
    for notice in to_officers:
        assert notice.letter == OfficerRenewalDownloaded("A-20261122-0001", DN, SERIAL + 1, SERIAL, True)
        assert notice.sign is Scheme.OPENPGP
        (tsv,) = notice.attachments
        assert tsv.name == "1000000000000000000001-test1.example.ac.jp.tsv"
        assert tsv.data == REVOCATION_TSV


# 更新に伴う旧証明書の失効, in CP932
REVOCATION_TSV = (
    b"CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP\t\t\t1000000000000000000001\t0\t"
    b"\x8dX\x90V\x82\xc9\x94\xba\x82\xa4\x8b\x8c\x8f\xd8\x96\xbe\x8f\x91\x82\xcc\x8e\xb8\x8c\xf8"
    b"\t\t\t\tyamada@example.ac.jp\t\t\t\r\n"
)


def test_the_attached_tsv_is_known_again_when_it_comes_back(issued: Issued) -> None:
    fetch(issued, renewal(issued))
    with issued.reading() as ctx:
        sha256 = hashlib.sha256(REVOCATION_TSV).hexdigest()
        row = returned_tsvs.find(ctx.session, sha256)
        assert row is not None
        assert (row.certificate_id, row.number) == (issued.certificate(ctx, 1).id, "A-20261122-0001")
        assert inbox.blob(ctx.session, sha256) == REVOCATION_TSV
        assert returned_tsvs.find(ctx.session, hashlib.sha256(REVOCATION_TSV + b" ").hexdigest()) is None


def test_the_tsv_names_the_contact_that_the_old_certificate_was_issued_to(issued: Issued) -> None:
    token = renewal(issued)
    with issued.writing() as ctx:
        issued.certificate(ctx, 2).entry.contact_mail = "hanako@example.ac.jp"
    done = fetch(issued, token)
    assert isinstance(done, Delivered)
    assert done.notices[0].attachments[0].data == REVOCATION_TSV
    assert done.notices[-1].to == "hanako@example.ac.jp"


def test_two_renewals_of_one_certificate_may_attach_the_same_tsv(issued: Issued) -> None:
    fetch(issued, renewal(issued))
    done = fetch(issued, issued.issue(replaces=1))
    assert isinstance(done, Delivered)
    assert len(done.notices) == 3


def test_a_renewal_s_applicant_is_asked_to_replace_with_a_token_whose_hash_alone_is_kept(
    issued: Issued,
) -> None:
    done = fetch(issued, renewal(issued))
    assert isinstance(done, Delivered)
    (notice,) = [n for n in done.notices if isinstance(n.letter, ApplicantDownloaded)]
    assert (notice.to, notice.sign) == ("yamada@example.ac.jp", None)
    letter = notice.letter
    assert isinstance(letter, ApplicantDownloaded)
    assert (letter.new_serial, letter.old_serial, letter.days) == (SERIAL + 1, SERIAL, 0)
    with issued.reading() as ctx:
        token = reply_tokens.find(ctx.session, letter.token)
        assert token is not None
        entry_id = issued.certificate(ctx, 2).entry_id
        assert (token.purpose, token.number, token.entry_id) == ("replaced", "A-20261122-0001", entry_id)
        assert letter.token not in token.sha256
        assert reply_tokens.find(ctx.session, letter.token[:-1]) is None
    serial = str(SERIAL + 1)
    assert open_kinds(issued) == [("replace", serial, 7), ("replace", serial, 13), ("re-notice", serial, 14)]


@pytest.mark.parametrize(
    "changes", [{"revoked_at": NOW}, {"not_after": NOW - timedelta(seconds=1)}], ids=["revoked", "expired"]
)
def test_without_a_valid_old_certificate_nothing_is_attached_asked_or_planned(
    issued: Issued, changes: dict[str, object]
) -> None:
    token = renewal(issued)
    issued.change_certificate(1, **changes)
    done = fetch(issued, token)
    assert isinstance(done, Delivered)
    assert {type(n.letter) for n in done.notices} == {OfficerRenewalDownloaded}
    assert [(n.letter.old_is_valid, n.attachments) for n in done.notices] == [(False, ())] * 2  # type: ignore[union-attr]
    assert open_kinds(issued) == []


def test_an_old_certificate_is_valid_to_its_last_second(issued: Issued) -> None:
    token = renewal(issued)
    issued.change_certificate(1, not_after=NOW)
    done = fetch(issued, token)
    assert isinstance(done, Delivered)
    assert len(done.notices[0].attachments) == 1


def test_a_renewal_of_an_institution_that_left_is_told_to_its_contact_and_the_monitors(
    issued: Issued,
) -> None:
    token = renewal(issued)
    issued.register = a_register()
    done = fetch(issued, token)
    assert isinstance(done, Delivered)
    assert [n.to for n in done.notices] == ["watch@example.ac.jp", "yamada@example.ac.jp"]


def test_URL2_a_token_has_256_bits_and_goes_into_a_path_as_it_is() -> None:
    asked: list[int] = []

    def count(n: int) -> bytes:
        asked.append(n)
        return b"\xff" * n

    assert new_token(count) == "_" * 42 + "8"
    assert asked == [32]
    assert len({new_token(secrets.token_bytes) for _ in range(100)}) == 100


def in_japan(*when: int) -> datetime:
    return datetime(*when, tzinfo=timezone(timedelta(hours=9)))  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("now", "last_day"),
    [
        (in_japan(2026, 11, 22, 12), date(2026, 12, 22)),
        (in_japan(2026, 12, 22, 12), date(2027, 1, 22)),
        (in_japan(2027, 1, 31, 12), date(2027, 2, 28)),
        (in_japan(2028, 1, 31, 12), date(2028, 2, 29)),
        (in_japan(2027, 2, 28, 12), date(2027, 3, 28)),
        (in_japan(2027, 5, 31, 12), date(2027, 6, 30)),
        # already tomorrow in Japan
        (datetime(2026, 11, 30, 15, 0, 0, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2026, 11, 30, 14, 59, 59, tzinfo=UTC), date(2026, 12, 30)),
    ],
)
def test_a_url_works_until_the_same_day_of_next_month(now: datetime, last_day: date) -> None:
    assert url_deadline(now, DESK) == in_japan(last_day.year, last_day.month, last_day.day, 23, 59, 59)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-12, 14),
)
def test_a_deadline_is_the_end_of_a_day_one_month_ahead_on_the_desks_clock(now: datetime, hours: int) -> None:
    desk = replace(DESK, utc_offset_hours=hours)
    zone = timezone(timedelta(hours=hours))
    deadline = url_deadline(now, desk)
    assert deadline.tzinfo is UTC
    today, last = now.astimezone(zone), deadline.astimezone(zone)
    assert (last.hour, last.minute, last.second, last.microsecond) == (23, 59, 59, 0)
    assert (last.year * 12 + last.month) - (today.year * 12 + today.month) == 1
    # the same day, or the last day of a month that has no such day
    assert last.day == today.day or (last.day < today.day and (last + timedelta(days=1)).day == 1)
    assert timedelta(days=28) <= deadline - now < timedelta(days=32)
    # who asks later never gets less time
    assert url_deadline(now + timedelta(days=1), desk) >= deadline
