"""The digest: its numbers are those of a clerk who noted what was done; one a day, whatever the clock does."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select

from bot import intake
from bot.compose.bars import draw_bars
from handlers import issue, revoke
from handlers.delivery_report import raise_undelivered
from handlers.digest import make_digest, plan_digest
from handlers.download import download
from handlers.incoming import IncomingMail
from handlers.letters.applicant import ApplicantDownload
from handlers.letters.monitor import AlarmCode, MonitorAlarm, MonitorDigest, Need
from handlers.notices import Notice
from handlers.remind import is_anything_due, remind
from handlers.rules.order import Revoked
from handlers.rules.reasons import Reason
from store import certificates, counting, outbox, troubles
from store.counting import Ages, Flow, Found
from store.leases import Holder
from store.tables import Application, Entry, Mail
from store.transaction import reading, writing
from store.troubles import TroubleKind
from tests.applications import NOW, DeskWorld, a_mail, an_application, open_world, signed, tsv_line
from tests.handlers.test_issue import all_proven
from tests.issued import Issued, a_certificate
from tests.reserved import an_issuer
from tests.revocations import revoke_line

MONITOR = "monitor@example.ac.jp"
SENDER = Holder("host 1 1", lambda _: False, lambda _: False)
FIRST = datetime(2026, 11, 23, 22, tzinfo=UTC)  # 7 o'clock in Japan
DAY = timedelta(days=1)


@dataclass
class Issue:
    serial: int
    fqdn: str
    token: str
    at: datetime
    not_after: datetime
    is_open: bool = True  # neither fetched nor revoked
    is_revoked: bool = False


@dataclass
class Clerk:
    """Does things to a real desk and notes each, with its time, in a list of its own."""

    world: DeskWorld
    rng: random.Random
    notes: list[tuple[datetime, str]] = field(default_factory=list)
    open: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    issued: list[Issue] = field(default_factory=list)
    helped: datetime = FIRST - 9 * DAY
    names: int = 0

    def note(self, *words: str) -> None:
        self.notes += [(self.world.now, word) for word in words]

    def receive(self, mail: IncomingMail, *words: str) -> str | None:
        """As the intake does it; the notes say what must have come of it, without looking."""
        world, mail = self.world, replace(mail, received_at=self.world.now)
        handled = world.receive(mail)
        with writing(world.engine) as session:
            intake._record(session, mail, handled, world.now)  # what `Intake` notes of a mail
        self.note("received", *words)
        if mail.signature is not None:
            self.note("signed")
        self.send(handled.notices)
        return handled.number

    def send(self, notices: list[Notice] | tuple[Notice, ...]) -> None:
        """Each goes out at once, later or never."""
        with writing(self.world.engine) as session:
            for notice in notices:
                one = outbox.enqueue(
                    session,
                    recipient=notice.to,
                    template=notice.letter.template,
                    message_id=f"<{self.rng.getrandbits(64)}@example.ac.jp>",
                    number=notice.number,
                    data=b"",
                    now=self.world.now,
                )
                fate = self.rng.random()
                if fate < 0.8:
                    outbox.mark_sent(session, one.id, self.world.now)
                    self.note("delivered")
                elif fate > 0.9:
                    outbox.begin(session, one.id, self.world.now, SENDER)
                    failed = outbox.mark_failed(session, one.id, self.world.now, "550 unknown")
                    raise_undelivered(self.world.context(session), failed)
                    self.note("undelivered")

    def take(self) -> None:
        self.names += 1
        fqdn = f"host{self.names}.example.ac.jp"
        number = self.receive(an_application(tsv_line(fqdn)), "decoded", "done", "taken")
        assert number
        self.open[number] = (self.world.now, fqdn)

    def refuse(self) -> None:
        mail, reason = self.rng.choice(
            (
                (an_application(tsv_line(c2="99")), "row_fault"),
                (a_mail(text="承認"), "unsigned"),
                (a_mail(signature_fault=Reason.BAD_SIGNATURE), "bad_signature"),
            )
        )
        self.receive(mail, "decoded", "refused", f"refused:{reason}")

    def refuse_signed(self) -> None:
        self.receive(signed("承認"), "decoded", "refused", "refused:no_code")

    def ask_for_help(self) -> None:
        if self.world.now - self.helped < DAY:
            self.receive(a_mail(), "decoded", "silent")
        else:
            self.receive(a_mail(), "decoded", "refused", "refused:help")
            self.helped = self.world.now

    def be_silent(self) -> None:
        strange = a_mail(sender="who@example.jp"), a_mail(automatic="Auto-Submitted")
        self.receive(self.rng.choice(strange), "decoded", "silent")

    def set_aside(self) -> None:
        self.receive(a_mail(fault=Reason.TOO_LARGE), "set_aside")

    def decide(self) -> None:
        young = [n for n, (at, _) in self.open.items() if self.world.now - at < 5 * DAY]
        if not young:
            return
        number = self.rng.choice(young)
        _, fqdn = self.open.pop(number)
        verb, word = self.rng.choice(
            (("承認", "approved"), ("承認", "approved"), ("却下: 不要です", "declined"))
        )
        self.receive(signed(f"{verb}\n\n> コード: {self.world.code(number)}\n"), "decoded", "done", word)
        if word == "approved":
            self.issue(number, fqdn)

    def issue(self, number: str, fqdn: str) -> None:
        now = self.world.now
        proven, until = all_proven(self.world, number), now + DAY * self.rng.choice((6, 7, 20, 30, 90))
        with writing(self.world.engine) as session:
            ctx = self.world.context(session)
            application = session.get_one(Application, number)
            if self.rng.random() < 0.1:
                ctx = replace(ctx, blocked_keys=frozenset({application.entries[0].public_key_sha256 or ""}))
                issue.plan(ctx, application, proven, an_issuer(until, now))
                self.note("not_issued")
                return
            issue.plan(ctx, application, proven, an_issuer(until, now))
            (made,) = certificates.unsigned(session, 10)
            serial = int(made.serial)
            (notice,) = issue.record(ctx, [(made, a_certificate(fqdn, serial))])
        assert isinstance(notice.letter, ApplicantDownload)
        token = notice.letter.downloads[0].url.rpartition("/")[2]
        self.issued.append(Issue(serial, fqdn, token, now, until))
        self.note("issued")
        self.send([notice])

    def fetch(self) -> None:
        waiting = [one for one in self.issued if one.is_open and self.world.now - one.at < 5 * DAY]
        if waiting:
            one = self.rng.choice(waiting)
            with writing(self.world.engine) as session:
                download(self.world.context(session), one.token)
            one.is_open = False
            self.note("downloaded")

    def revoke(self) -> None:
        valid = [one for one in self.issued if not one.is_revoked and one.not_after > self.world.now + DAY]
        if not valid:
            return
        one, world = self.rng.choice(valid), self.world
        mail = an_application(revoke_line(one.serial, one.fqdn), subject="サーバ証明書失効申請")
        number = self.receive(mail, "decoded", "done", "taken")
        assert number
        code = self.world.code(number)
        self.receive(signed(f"失効承認\n\n> コード: {code}\n"), "decoded", "done", "approved")
        proven = all_proven(world, number)
        with writing(world.engine) as session:
            ctx = world.context(session)
            revoke.plan(ctx, session.get_one(Application, number), proven, "c" * 64)
            entry = session.scalars(select(Entry).where(Entry.number == number)).one()
            notices = revoke.record(ctx, "c" * 64, [(entry, Revoked(one.serial, world.now, 4))], 1)
        one.is_revoked, one.is_open = True, False
        self.note("revoked")
        self.send(notices)

    def something(self) -> None:
        deeds = (self.take, self.take, self.decide, self.decide, self.fetch, self.refuse, self.refuse_signed)
        rare = (self.ask_for_help, self.be_silent, self.set_aside, self.revoke)
        self.rng.choice((*deeds, *rare))()

    def counted(self, since: datetime, until: datetime) -> Counter[str]:
        return Counter(word for at, word in self.notes if since <= at < until)

    def ages(self, moments: list[datetime]) -> Ages:
        days = [(self.world.now - at) / DAY for at in moments]
        return Ages(sum(d < 1 for d in days), sum(1 <= d < 7 for d in days), sum(d >= 7 for d in days))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DeskWorld]:
    world = open_world(tmp_path)
    yield world
    world.engine.dispose()


def plan(world: DeskWorld, now: datetime) -> None:
    """What the sweep does, at the start of the service and every night."""
    world.now = now
    with writing(world.engine) as session:
        plan_digest(world.context(session))


def due(world: DeskWorld, now: datetime) -> list[MonitorDigest]:
    """What a round at `now` makes."""
    world.now, made = now, []
    while True:
        with reading(world.engine) as session:
            if not is_anything_due(world.context(session)):
                return made
        with writing(world.engine) as session:
            letters = [notice.letter for notice in remind(world.context(session))]
        made += [letter for letter in letters if isinstance(letter, MonitorDigest)]


def flow_of(counts: Counter[str]) -> Flow:
    return Flow(**{name: counts[name] for name in Flow.__dataclass_fields__})


@pytest.mark.parametrize("seed", range(5))
def test_on_every_random_day_the_numbers_are_those_that_a_clerk_noted(world: DeskWorld, seed: int) -> None:
    """Five desks, twenty days each."""
    clerk = Clerk(world, random.Random(seed))
    plan(world, FIRST)
    for day in range(20):
        since, until = FIRST + DAY * day, FIRST + DAY * (day + 1)
        # the edges belong to the day that begins
        times = [0, *clerk.rng.sample(range(1, 86399), clerk.rng.randrange(3, 9)), 86399]
        for second in sorted(times):
            world.now = since + timedelta(seconds=second)
            clerk.something()
        (digest,) = due(world, until)
        counts = clerk.counted(since, until)
        assert (digest.since, digest.until, digest.next_at) == (since, until, until + DAY)
        assert digest.flow == flow_of(counts), day
        parts = digest.flow.done + digest.flow.refused + digest.flow.silent + digest.flow.set_aside
        assert parts == digest.flow.received
        reasons = {f"refused:{x.code}": x.count for x in digest.refused}
        assert reasons == {word: n for word, n in counts.items() if word.startswith("refused:")}
        _standing_is_right(clerk, digest)
    totals = clerk.counted(FIRST, FIRST + DAY * 20)
    words = set(Flow.__dataclass_fields__) - {"not_issued"}  # rare
    assert words <= set(totals), "every kind of thing happened"
    assert sum(digest.received) == totals["received"]
    assert sum(digest.issued) == totals["issued"]


def _standing_is_right(clerk: Clerk, digest: MonitorDigest) -> None:
    """How things stand at the time of the digest."""
    now = clerk.world.now
    unfetched = [one.at for one in clerk.issued if one.is_open and one.not_after >= now]
    assert digest.undecided == clerk.ages([at for at, _ in clerk.open.values()])
    assert digest.unfetched == clerk.ages(unfetched)
    assert sum(x.undecided for x in digest.waiting) == len(clerk.open)
    assert sum(x.unfetched for x in digest.waiting) == len(unfetched)
    for expiring in digest.expiring:
        end = now + DAY * expiring.days
        ending = [one for one in clerk.issued if not one.is_revoked and now <= one.not_after < end]
        assert expiring.count == expiring.alone == len(ending)
    aside = Counter(word for _, word in clerk.notes)["set_aside"]
    assert {need.kind: need.count for need in digest.needs}.get(Need.SET_ASIDE, 0) == aside


def test_a_renewed_certificate_that_ends_is_counted_but_is_not_alone(tmp_path: Path) -> None:
    issued = Issued(tmp_path)
    issued.issue("a.example.ac.jp")
    issued.issue("b.example.ac.jp")
    issued.issue("a.example.ac.jp", replaces=1)
    for seq in (1, 2):
        issued.change_certificate(seq, not_after=issued.now + 5 * DAY)
    with issued.reading() as ctx:
        week, month = make_digest(ctx, ctx.now - DAY, ctx.now, MONITOR).expiring
    assert (week.count, week.alone) == (month.count, month.alone) == (2, 1)
    issued.close()


def test_a_digest_comes_once_a_day_and_its_windows_touch(world: DeskWorld) -> None:
    plan(world, FIRST - timedelta(hours=3))
    assert due(world, FIRST - timedelta(seconds=1)) == []
    made = [one for hour in range(0, 24 * 4) for one in due(world, FIRST + timedelta(hours=hour, minutes=7))]
    assert [one.until for one in made] == [FIRST + DAY * n for n in range(4)]
    assert [one.since for one in made] == [FIRST + DAY * n for n in range(-1, 3)]


def test_after_days_without_the_service_one_late_digest_tells_of_all_of_them(world: DeskWorld) -> None:
    plan(world, FIRST - DAY / 2)
    assert len(due(world, FIRST)) == 1
    plan(world, FIRST + 3 * DAY + DAY / 2)
    (late,) = due(world, FIRST + 3 * DAY + DAY / 2)
    assert (late.since, late.until, late.next_at) == (FIRST, FIRST + 3 * DAY, FIRST + 4 * DAY)
    (next_one,) = due(world, FIRST + 4 * DAY)
    assert next_one.since == late.until


def test_a_clock_that_jumps_never_sends_a_day_twice_and_does_not_silence_the_next(world: DeskWorld) -> None:
    plan(world, FIRST - 3 * DAY - DAY / 2)
    assert [len(due(world, FIRST - DAY * n)) for n in (3, 2, 1, 0)] == [1, 1, 1, 1]
    for back in (timedelta(minutes=5), 3 * DAY):
        plan(world, FIRST - back)
        assert due(world, FIRST - timedelta(minutes=5)) == []
        assert due(world, FIRST) == []
    plan(world, FIRST)
    # a clock that is a year ahead for a moment
    assert len(due(world, FIRST + 365 * DAY)) == 1
    plan(world, FIRST + DAY / 2)
    (tomorrow,) = due(world, FIRST + DAY)
    assert (tomorrow.since, tomorrow.until) == (FIRST, FIRST + DAY)


def test_a_late_digest_is_not_made_again_by_a_clock_set_back(world: DeskWorld) -> None:
    plan(world, FIRST - DAY / 2)
    assert len(due(world, FIRST + 2 * DAY + DAY / 2)) == 1
    plan(world, FIRST + 2 * DAY - timedelta(minutes=1))
    assert due(world, FIRST + 2 * DAY) == []


def test_another_hour_holds_from_the_next_digest_on(world: DeskWorld) -> None:
    plan(world, FIRST - DAY / 2)
    world.desk = replace(world.desk, digest_hour=12)
    plan(world, FIRST - DAY / 2)
    assert due(world, FIRST) == []
    assert [one.until for one in due(world, FIRST + timedelta(hours=5))] == [FIRST + timedelta(hours=5)]


def test_without_monitors_nothing_is_planned(world: DeskWorld) -> None:
    world.desk = replace(world.desk, monitors=())
    plan(world, FIRST - DAY / 2)
    assert due(world, FIRST + DAY) == []


def needs(world: DeskWorld) -> dict[Need, tuple[int, tuple[str, ...]]]:
    with reading(world.engine) as session:
        ctx = world.context(session)
        made = make_digest(ctx, ctx.now - DAY, ctx.now + timedelta(seconds=1), MONITOR)
    return {need.kind: (need.count, need.about) for need in made.needs}


def test_what_is_still_wrong_stands_in_each_digest_and_what_may_pass_in_none(world: DeskWorld) -> None:
    with writing(world.engine) as session:
        row = troubles.begin(session, TroubleKind.DISK, "/srv", NOW, "3 MB of 9 MB are left")
        row.told_at = NOW
        troubles.begin(session, TroubleKind.IMAP, "imap", NOW, "may pass")
    for day in range(3):
        with reading(world.engine) as session:
            made = make_digest(world.context(session), NOW + DAY * day, NOW + DAY * (day + 1), MONITOR)
        told = [(one.kind, one.count, one.since, one.about) for one in made.troubles]
        assert told == [(TroubleKind.DISK, 1, NOW, ("/srv: 3 MB of 9 MB are left",))]


def test_a_quiet_day_needs_nobody(world: DeskWorld) -> None:
    world.take(tsv_line())
    assert needs(world) == {}


class NothingLeaves(random.Random):
    """No mail is sent, and none is given up."""

    def random(self) -> float:
        return 0.85


def test_what_stands_badly_is_named_with_its_id(world: DeskWorld) -> None:
    clerk = Clerk(world, NothingLeaves())
    number = world.take(tsv_line())
    world.decide("承認", number)
    with writing(world.engine) as session:
        alarm = Notice(MONITOR, "both", MonitorAlarm(AlarmCode.WHOIS, "x"), number=number)
        lost = outbox.enqueue(
            session,
            recipient="a@example.ac.jp",
            template="officer.reminder",
            message_id="<1@example.ac.jp>",
            number=number,
            data=b"",
            now=NOW,
        )
        outbox.begin(session, lost.id, NOW, SENDER)
        outbox.mark_failed(session, lost.id, NOW, "550 unknown")
        raise_undelivered(world.context(session), lost)
    clerk.send([alarm])
    clerk.set_aside()
    world.now = NOW + timedelta(hours=2)
    found = needs(world)
    assert found[Need.UNISSUED] == (1, (number,))
    assert found[Need.UNDELIVERED] == (1, (f"{number} officer.reminder, a@example.ac.jp",))
    assert found[Need.SET_ASIDE] == (1, ("1 (too_large)",))
    assert found[Need.ALARMS][0] == 2  # and that of the mail set aside
    assert found[Need.UNSENT][0] == 3  # and the answer to its sender


def test_an_urgent_revocation_and_an_application_without_policy_need_a_person(world: DeskWorld) -> None:
    clerk = Clerk(world, random.Random(3))
    number = world.take(tsv_line("a.example.ac.jp"))
    world.decide("承認", number)
    clerk.issue(number, "a.example.ac.jp")
    line = revoke_line(clerk.issued[0].serial, "a.example.ac.jp", c5="1")
    urgent = world.take(line, subject="サーバ証明書失効申請")
    world.change_institution(policies=())
    assert needs(world)[Need.URGENT] == (1, (urgent,))


def test_a_mail_that_waits_for_an_hour_needs_a_person_until_it_is_sent(world: DeskWorld) -> None:
    with writing(world.engine) as session:
        one = outbox.enqueue(
            session,
            recipient="a@example.ac.jp",
            template="officer.reminder",
            message_id="<1@example.ac.jp>",
            number=None,
            data=b"",
            now=NOW,
        )
    world.now = NOW + timedelta(hours=1)
    assert needs(world) == {}
    world.now += timedelta(seconds=1)
    assert needs(world) == {Need.UNSENT: (1, ("- officer.reminder",))}
    with writing(world.engine) as session:
        outbox.mark_sent(session, one.id, world.now)
    assert needs(world) == {}


def test_of_many_only_the_first_are_named_and_all_are_counted(world: DeskWorld) -> None:
    clerk = Clerk(world, random.Random(1))
    for _ in range(7):
        clerk.set_aside()
    with reading(world.engine) as session:
        assert counting.find_set_aside(session, 5) == Found(7, tuple(f"{n} (too_large)" for n in range(1, 6)))
        assert len(session.scalars(select(Mail)).all()) == 7


def test_the_bars_show_a_single_thing_and_part_the_weeks_from_the_right() -> None:
    assert draw_bars((0, 1, 0, 0, 0, 0, 0, 100, 50)) == "▁▂ ▁▁▁▁▁▇▅"
    assert draw_bars((0,) * 7) == "▁▁▁▁▁▁▁"
    assert draw_bars(()) == ""
    assert [len(part) for part in draw_bars(range(30)).split()] == [2, 7, 7, 7, 7]
    assert re.fullmatch("[▁▂▃▅▆▇ ]+", draw_bars(range(30)))


def test_no_table_that_grows_is_read_from_end_to_end(world: DeskWorld) -> None:
    """Otherwise a desk of ten years counts all its mails every morning."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    with reading(world.engine) as session:
        event.listen(world.engine, "before_cursor_execute", note)
        ctx = world.context(session)
        make_digest(ctx, ctx.now - DAY, ctx.now, MONITOR)
        event.remove(world.engine, "before_cursor_execute", note)
        plans = [
            (statement, row[3])
            for statement, parameters in asked
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert len(plans) > 60
    scans = [(s, plan) for s, plan in plans if plan.startswith("SCAN") and "anon" not in plan]
    # the newest by its primary key is the first that is met, and what is wrong now are some rows
    growing = [(plan, s) for s, plan in scans if "DESC" not in s and not plan.startswith("SCAN troubles")]
    assert growing == []
