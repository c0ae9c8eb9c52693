"""Notices of expiry on a moving clock: a year of them, and each reason to say nothing."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from handlers import issue
from handlers.incoming import Attachment
from handlers.letters.applicant import ApplicantExpiring
from handlers.letters.officer import OfficerExpiring
from handlers.notices import Notice
from handlers.plan import plan_expiry
from handlers.remind import is_anything_due, remind
from handlers.rules.reasons import Reason
from handlers.rules.working_days import local_day
from store import applications, certificates, outbox
from store.applications import keep_names
from store.dues import DueKind, plan_due
from store.states import Kind
from store.tables import Application, Due
from store.transaction import writing
from tests.applications import NOW as DESK_NOW
from tests.applications import DeskWorld, a_mail, csr_text, tsv_line
from tests.issued import NOW, TESTKIKAN, Issued, a_register
from tests.reserved import an_issuer

DAY = timedelta(days=1)
FIRST_SERIAL = 1_000_000_000_000_000_000_001
OFFICERS = ["suzuki@testkikan.example.ac.jp", "tanaka@testkikan.example.ac.jp"]
YAMADA = "yamada@example.ac.jp"
TEST1 = "test1.example.ac.jp"
# counted by hand from 60, 30, 14, 7, 1 of 398
STEPS = {396: (60, 30, 14, 7, 1), 200: (31, 16, 8, 4, 1), 47: (8, 4, 2, 1)}


@pytest.fixture
def issued(tmp_path: Path) -> Iterator[Issued]:
    world = Issued(tmp_path)
    yield world
    world.close()


def issue_one(
    issued: Issued,
    *names: str,
    days: int = 396,
    contact: str = "Yamada@example.ac.jp",
    age: int = 0,
    **changes: object,
) -> int:
    """One more certificate, valid for `days`, begun `age` days ago; its SEQ. `changes`: fields of its row."""
    names = names or (TEST1,)
    issued.issue(names[0])
    with issued.writing() as ctx:
        seq = max(e.seq for e in ctx.session.get_one(Application, "A-20261122-0001").entries)
        certificate = issued.certificate(ctx, seq)
        for name, value in {"dns_names": "\n".join(names), "contact_mail": contact, **changes}.items():
            setattr(certificate.entry, name, value)
        certificate.not_before = issued.now - age * DAY
        certificate.not_after = certificate.not_before + days * DAY - timedelta(seconds=1)
        keep_names(ctx.session, [certificate.entry])
        plan_expiry(ctx, certificate)
    return seq


def due_now(issued: Issued) -> list[Notice]:
    """What is written at this moment; it goes into the outbox, where the day's mails are counted."""
    notices = []
    while True:
        with issued.writing() as ctx:
            if not is_anything_due(ctx):
                return notices
            found = remind(ctx)
            for notice in found:
                message_id = f"<{ctx.random(8).hex()}@example.ac.jp>"
                template = notice.letter.template
                outbox.enqueue(
                    ctx.session,
                    recipient=notice.to,
                    template=template,
                    message_id=message_id,
                    number=notice.number,
                    data=b"",
                    now=ctx.now,
                )
            notices += found


def morning(issued: Issued, seq: int, days_left: int) -> list[Notice]:
    """Shortly after 9 o'clock in Japan, so many days before that certificate's last day."""
    with issued.reading() as ctx:
        day = local_day(issued.certificate(ctx, seq).not_after, 9) - days_left * DAY
    issued.now = datetime(day.year, day.month, day.day, 0, 5, tzinfo=UTC)
    return due_now(issued)


def letters(notices: list[Notice]) -> list[ApplicantExpiring]:
    return [n.letter for n in notices if isinstance(n.letter, ApplicantExpiring)]


def kinds(notices: list[Notice]) -> list[str]:
    return [notice.letter.template for notice in notices]


def test_the_contact_hears_at_five_steps_and_the_officers_at_the_last_two(issued: Issued) -> None:
    seq = issue_one(issued, TEST1, "www.example.ac.jp")
    for step in STEPS[396]:
        assert morning(issued, seq, step + 1) == []
        notices = morning(issued, seq, step)
        officers = OFFICERS if step in (7, 1) else []
        assert [n.to for n in notices] == [YAMADA, *officers]
        assert [n.sign is None for n in notices] == [True, *[False for _ in officers]]
        for notice in notices:
            letter = notice.letter
            assert isinstance(letter, ApplicantExpiring | OfficerExpiring)
            assert (letter.serial, letter.days_left, letter.pending) == (FIRST_SERIAL, step, None)
            assert letter.names == (TEST1, "www.example.ac.jp")
    assert morning(issued, seq, 0) == []
    assert morning(issued, seq, -30) == []


def test_the_mail_brings_a_renewal_tsv_that_lacks_only_its_csr(issued: Issued) -> None:
    seq = issue_one(issued, "*.example.ac.jp", TEST1)
    for notice in morning(issued, seq, 1):
        (tsv,) = notice.attachments
        assert isinstance(notice.letter, ApplicantExpiring | OfficerExpiring)
        assert tsv.name == notice.letter.file_name == f"{FIRST_SERIAL}-_.example.ac.jp-renewal.tsv"
        cells = tsv.data.decode("cp932").removesuffix("\r\n").split("\t")
        assert (len(cells), cells[3], cells[6]) == (13, str(FIRST_SERIAL), "")
        assert [n for n, cell in enumerate(cells, 1) if not cell] == [3, 5, 6, 7]


def test_a_contact_that_shift_jis_cannot_write_is_warned_without_a_file(issued: Issued) -> None:
    seq = issue_one(issued, contact_name="𠮷田 花子")
    (notice,) = morning(issued, seq, 60)
    assert (letters([notice])[0].file_name, notice.attachments) == ("", ())


@pytest.mark.parametrize("step", [60, 30, 14, 7, 1])
def test_once_a_newer_certificate_covers_the_names_nobody_hears_of_it(issued: Issued, step: int) -> None:
    seq = issue_one(issued)
    morning(issued, seq, step + 1)
    issue_one(issued, contact="ito@example.ac.jp")
    assert [morning(issued, seq, days) for days in range(step, -2, -1)] == [[]] * (step + 2)


def test_only_the_names_that_nobody_else_holds_are_told(issued: Issued) -> None:
    seq = issue_one(issued, TEST1, "www.example.ac.jp", "ftp.example.ac.jp")
    morning(issued, seq, 61)
    issue_one(issued, "www.example.ac.jp")
    assert letters(morning(issued, seq, 60))[0].names == (TEST1, "ftp.example.ac.jp")


def test_a_covering_certificate_that_is_revoked_covers_no_more(issued: Issued) -> None:
    seq = issue_one(issued)
    morning(issued, seq, 61)
    newer = issue_one(issued)
    assert morning(issued, seq, 60) == []
    issued.change_certificate(newer, revoked_at=issued.now)
    assert len(letters(morning(issued, seq, 30))) == 1


def test_an_intent_that_is_not_signed_yet_covers_nothing(issued: Issued) -> None:
    seq = issue_one(issued)
    morning(issued, seq, 61)
    issued.change_certificate(issue_one(issued), der=None)
    assert len(morning(issued, seq, 60)) == 1


def test_another_institution_s_certificate_covers_nothing(issued: Issued) -> None:
    seq = issue_one(issued)
    morning(issued, seq, 61)
    newer = issue_one(issued)
    with issued.writing() as ctx:
        ours = ctx.session.get_one(Application, "A-20261122-0001")
        columns = [c.name for c in Application.__table__.columns]
        fields = {name: getattr(ours, name) for name in columns}
        other = {"number": "A-20261122-0002", "institution": "other", "code": "d" * 32}
        ctx.session.add(Application(**(fields | other)))
        ctx.session.flush()
        issued.certificate(ctx, newer).entry.number = "A-20261122-0002"
    assert len(morning(issued, seq, 60)) == 1


@pytest.mark.parametrize("field", ["revoked_at", "not_after"])
def test_of_a_revoked_or_expired_certificate_nobody_hears(issued: Issued, field: str) -> None:
    issue_one(issued)
    issued.change_certificate(1, **{field: NOW + DAY})
    issued.now = NOW + 394 * DAY
    assert due_now(issued) == []


@pytest.mark.parametrize("changes", [{"expiry_notices": False}, {"active": False}, {"id": "moved"}])
def test_a_muted_or_departed_institution_hears_nothing(issued: Issued, changes: dict[str, object]) -> None:
    seq = issue_one(issued)
    issued.register = a_register(TESTKIKAN.model_copy(update=changes))
    assert [morning(issued, seq, step) for step in STEPS[396]] == [[]] * 5


def test_what_was_muted_is_told_from_the_next_step_on(issued: Issued) -> None:
    seq = issue_one(issued)
    issued.register = a_register(TESTKIKAN.model_copy(update={"expiry_notices": False}))
    assert morning(issued, seq, 60) == []
    issued.register = a_register(TESTKIKAN)
    assert morning(issued, seq, 59) == []
    assert len(morning(issued, seq, 30)) == 1


def test_after_a_long_stop_of_the_clock_one_mail_says_how_little_time_is_left(issued: Issued) -> None:
    seq = issue_one(issued)
    (contact, *officers) = morning(issued, seq, 5)
    assert letters([contact])[0].days_left == 5
    assert kinds(officers) == ["officer.expiring"] * 2
    assert morning(issued, seq, 60) == []  # and back


def test_steps_that_are_over_when_it_is_issued_are_never_told(issued: Issued) -> None:
    seq = issue_one(issued, days=396, age=370)
    assert due_now(issued) == []
    days = [days for days in range(26, -1, -1) if letters(morning(issued, seq, days))]
    assert days == [14, 7, 1]


def test_beyond_the_day_s_cap_the_rest_comes_on_the_next_days_each_once(issued: Issued) -> None:
    issued.desk = replace(issued.desk, expiry_mails_per_day=20)
    for number in range(45):
        issue_one(issued, f"test{number}.example.ac.jp")
    other = issue_one(issued, "other.example.ac.jp", contact="ito@example.ac.jp")
    days = [morning(issued, other, days) for days in range(60, 30, -1)]
    assert [len([n for n in notices if n.to == YAMADA]) for notices in days] == [20, 20, 5, *[0] * 27]
    assert [n.to for n in days[0]].count("ito@example.ac.jp") == 1
    told = Counter(letter.serial for notices in days for letter in letters(notices))
    assert set(told.values()) == {1}
    assert len(told) == 46


def test_a_second_round_on_the_same_day_counts_what_the_first_one_sent(issued: Issued) -> None:
    issued.desk = replace(issued.desk, expiry_mails_per_day=1)
    seq = issue_one(issued)
    assert len(morning(issued, seq, 60)) == 1
    issue_one(issued, "test2.example.ac.jp")
    with issued.writing() as ctx:
        later = issued.now + timedelta(hours=1)
        plan_due(ctx.session, DueKind.EXPIRY, str(FIRST_SERIAL + 1), later)
    issued.now += timedelta(hours=14)
    assert due_now(issued) == []
    assert len(morning(issued, seq, 59)) == 1


def test_the_cap_gives_way_where_tomorrow_would_be_too_late(issued: Issued) -> None:
    issued.desk = replace(issued.desk, expiry_mails_per_day=1)
    seqs = [issue_one(issued, f"test{number}.example.ac.jp") for number in range(5)]
    issued.change_certificate(1, revoked_at=NOW)
    before_last = [n for n in morning(issued, seqs[0], 1) if n.to == YAMADA]
    last = [n for n in morning(issued, seqs[0], 0) if n.to == YAMADA]
    assert (len(before_last), len(last)) == (1, 3)
    assert {letter.days_left for letter in letters(last)} == {0}


# A whole desk: issued, warned, renewed by the very file that the warning brings


def issue_all(world: DeskWorld, number: str) -> str:
    """What an approval of one row leads to, without a CA; the serial."""
    world.decide("承認", number)
    with writing(world.engine) as session:
        ctx = world.context(session)
        (decision,) = applications.decisions_on(session, number)
        issuer = an_issuer()
        application = session.get_one(Application, number)
        issue.plan(ctx, application, {decision.id: frozenset({1})}, issuer)
        (certificate,) = certificates.unsigned(session, 10)
        issue.record(ctx, [(certificate, b"DER")])
        return certificate.serial


def expiring(world: DeskWorld) -> list[Notice]:
    with writing(world.engine) as session:
        notices = []
        while is_anything_due(world.context(session)):
            notices += remind(world.context(session))
        return [n for n in notices if n.letter.template.endswith(".expiring")]


def test_issuing_plans_every_step_at_nine_in_the_morning(world: DeskWorld) -> None:
    serial = issue_all(world, world.take(tsv_line()))
    with writing(world.engine) as session:
        expiry = (DueKind.EXPIRY, DueKind.EXPIRY_OFFICERS)
        planned = session.scalars(select(Due).where(Due.what == serial, Due.kind.in_(expiry)))
        found = {(due.kind, due.due_at) for due in planned}
    last = datetime(2027, 12, 25, tzinfo=UTC)  # 9 o'clock in Japan on the day it ends
    to_contact = {("expiry", last - step * DAY) for step in STEPS[396]}
    assert found == to_contact | {("expiry-officers", last - step * DAY) for step in (7, 1)}


def test_the_attached_tsv_with_a_csr_in_column_7_is_taken_and_then_nobody_is_asked(world: DeskWorld) -> None:
    serial = issue_all(world, world.take(tsv_line(c13="dNSName=www.example.ac.jp")))
    world.now = DESK_NOW + 336 * DAY
    (notice,) = expiring(world)
    (attached,) = notice.attachments
    cells = attached.data.decode("cp932").removesuffix("\r\n").split("\t")
    cells[6] = csr_text(TEST1, ec.generate_private_key(ec.SECP384R1()))
    filled = Attachment(attached.name, "text/tab-separated-values", "\t".join(cells).encode("cp932"))
    handled = world.receive(a_mail(filled, subject="Re: あと60日です", references=notice.thread))
    assert handled.reason is Reason.TAKEN
    number = handled.number
    assert number
    with writing(world.engine) as session:
        renewal = session.get_one(Application, number)
        assert (renewal.kind, renewal.entries[0].old_serial) == (Kind.RENEW, serial)
    world.now = DESK_NOW + 366 * DAY
    (in_review,) = expiring(world)
    assert letters([in_review])[0].pending == number
    assert in_review.attachments == ()


def test_a_renewal_that_was_declined_is_asked_for_again(world: DeskWorld) -> None:
    serial = issue_all(world, world.take(tsv_line()))
    world.now = DESK_NOW + 340 * DAY
    expiring(world)
    world.decide("却下: 不要", world.take(tsv_line(c4=serial), subject="更新"))
    world.now = DESK_NOW + 366 * DAY
    (notice,) = expiring(world)
    assert letters([notice])[0].pending is None


# A year


@dataclass
class Made:
    """One certificate of the year, as the test itself remembers it."""

    seq: int
    names: tuple[str, ...]
    contact: str
    days: int
    issued: datetime
    ends: datetime
    revoked: datetime | None = None

    def counts_at(self, moment: datetime) -> bool:
        return self.issued <= moment <= self.ends and not (self.revoked and self.revoked <= moment)


class Year:
    """Some thirty certificates with overlapping names, renewed in time, late or never, some revoked."""

    def __init__(self, issued: Issued, seed: int) -> None:
        self.issued, self.dice = issued, random.Random(seed)
        self.made: list[Made] = []
        self.told: Counter[tuple[date, str, int, str]] = Counter()  # day, template and address, serial, name
        names = [f"host{n}.example.ac.jp" for n in range(26)]
        for place in range(30):
            own = names[place % len(names)]
            also = self.dice.sample(names, self.dice.randint(0, 2))
            self.issue((own, *(name for name in also if name != own)), age=self.dice.randint(0, 300))

    def issue(self, names: tuple[str, ...], age: int = 0) -> None:
        days = self.dice.choice([days for days in STEPS if days > age + 10])
        contact = f"{self.dice.choice(['sato', 'ito', 'kato'])}@example.ac.jp"
        seq = issue_one(self.issued, *names, days=days, contact=contact, age=age)
        now = self.issued.now
        ends = now + (days - age) * DAY - timedelta(seconds=1)
        self.made.append(Made(seq, names, contact, days, now, ends))

    def live_a_day(self) -> None:
        """Things happen at noon; the desk looks around in the next morning."""
        for made in [m for m in self.made if m.counts_at(self.issued.now)]:
            left = (made.ends - self.issued.now).days
            chance = self.dice.random()
            if left < 70 and chance < 0.008:
                self.issue(made.names[: self.dice.randint(1, len(made.names))])
            elif chance > 0.9994:
                made.revoked = self.issued.now
                self.issued.change_certificate(made.seq, revoked_at=self.issued.now)
        self.issued.now += timedelta(hours=21)
        assert self.issued.now.hour == 0
        for notice in due_now(self.issued):
            self.note(notice)
        self.issued.now += timedelta(hours=3)

    def note(self, notice: Notice) -> None:
        letter = notice.letter
        assert isinstance(letter, ApplicantExpiring | OfficerExpiring)
        seq = letter.serial - FIRST_SERIAL + 1
        for name in letter.names:
            self.told[self.issued.now.date(), notice.to, seq, name] += 1

    def expected(self, until: datetime) -> set[tuple[date, str, int, str]]:
        """From the history alone: on each step's morning, who holds which name, and how long."""
        found = set()
        for own in self.made:
            for step in STEPS[own.days]:
                day = (own.ends + timedelta(hours=9)).date() - step * DAY
                moment = datetime(day.year, day.month, day.day, 0, 4, 5, tzinfo=UTC)
                if moment >= until or not own.counts_at(moment):
                    continue
                to = [own.contact, *(OFFICERS if step in STEPS[own.days][-2:] else [])]
                for name in own.names:
                    if not self.is_covered(name, own, step, moment):
                        found |= {(day, address, own.seq, name) for address in to}
        return found

    def is_covered(self, name: str, own: Made, step: int, moment: datetime) -> bool:
        return any(
            name in other.names
            and (
                other.ends >= own.ends + step * DAY
                or (other.contact == own.contact and (other.ends, other.seq) > (own.ends, own.seq))
            )
            for other in self.made
            if other is not own and other.counts_at(moment)
        )


@pytest.fixture(scope="module", params=[1, 2])
def year(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    issued = Issued(tmp_path_factory.mktemp("year"))
    issued.desk = replace(issued.desk, expiry_mails_per_day=1000)
    year = Year(issued, request.param)
    for _ in range(366):
        year.live_a_day()
    yield year
    issued.close()


def test_in_a_year_every_uncovered_name_is_told_at_each_step_once_and_no_covered_one_ever(year: Year) -> None:
    expected = year.expected(year.issued.now)
    assert {key for key, count in year.told.items() if count != 1} == set()
    assert set(year.told) - expected == set(), "told although covered"
    assert expected - set(year.told) == set(), "not told"
    # otherwise the year would prove little
    assert len(expected) > 150
    assert len(year.made) > 40
    assert sum(made.revoked is not None for made in year.made) > 3
    lost = {made.seq for made in year.made if made.ends < year.issued.now and made.revoked is None}
    silent = lost - {seq for _, _, seq, _ in year.told}
    assert silent, "some that ended were covered all the time"


def test_in_a_year_no_name_ends_without_a_word_a_day_before(year: Year) -> None:
    """Seen from the names: before the last certificate that held a name ended, its contact knew."""
    gone = 0
    for own in (m for m in year.made if m.ends < year.issued.now and m.revoked is None):
        after = own.ends + timedelta(seconds=1)
        day = (own.ends + timedelta(hours=9)).date() - DAY
        for name in own.names:
            holders = [m for m in year.made if name in m.names and m.counts_at(after)]
            late = [m for m in year.made if name in m.names and m.issued.date() >= day and m is not own]
            if not holders and not late:
                gone += 1
                assert any(year.told[day, own.contact, m.seq, name] for m in year.made), (own, name)
    assert gone > 10
