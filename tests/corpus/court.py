"""Where the corpora are judged: the real reader, handlers and store; every mail before the same open applications.

A sitting is a transaction that is always rolled back, so that no verdict depends on another.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from bot.compose.mail import Composer
from bot.reading import Reader
from handlers.context import Context, Desk
from handlers.dispatch import handle
from handlers.incoming import MailKey
from handlers.lapse import end_holds, lapse_overdue
from handlers.notices import Notice
from handlers.rules.reasons import Reason
from handlers.rules.register import Language
from handlers.rules.sheet import show_code
from store.states import EntryState, Filed
from store.tables import Application, Approval, Certificate, Decision, Entry, JournalEntry, VoidSheet
from store.transaction import reading, writing
from tests.applications import an_application, tsv, tsv_line
from tests.composed import read, text_of
from tests.corpus.people import People
from tests.revocations import revoke_line
from tests.smime_people import Person, Pki

DESK = Desk(
    "desk.example.ac.jp", "ringi@example.ac.jp", "https://ra.example.ac.jp", ("monitor@example.ac.jp",)
)
APPLICANT = "applicant@example.ac.jp"
_SERIAL = 19116492781600959621911649278
_random = itertools.count(1)


@dataclass(frozen=True)
class Request:
    """An approval request of ours as its reader's mail program shows it. `text`: LF lines."""

    number: str
    code: str
    subject: str
    message_id: str
    text: str
    sheet: bytes
    file: bytes


@dataclass(frozen=True)
class Done:
    """A decision that was carried out."""

    officer: str
    verb: str
    number: str
    rows: tuple[int, ...]
    comment: str
    faultless_only: bool


@dataclass(frozen=True)
class Verdict:
    """`has_effect`: anything that decides was written, or any state moved. `done`: the decisions of this one mail."""

    reason: Reason
    filed: Filed
    has_effect: bool
    done: tuple[Done, ...]
    answers: int


@dataclass
class Sitting:
    """One rolled-back transaction; `now` may be moved."""

    court: "Court"
    session: Session
    now: datetime

    def receive(self, raw: bytes, at: datetime | None = None) -> Verdict:
        """The mail arrives now; `at`: its INTERNALDATE, where that is another moment."""
        before, earlier = _snapshot(self.session), self._last_decision()
        key = MailKey("desk", "INBOX", 1, next(_random))
        mail = self.court.reader.read(raw, key, at or self.now)
        handled = handle(mail, self.context())
        self.session.flush()
        done = tuple(
            Done(d.officer, d.verb.value, d.number, tuple(json.loads(d.rows)), d.comment, d.faultless_only)
            for d in self.session.scalars(select(Decision).where(Decision.id > earlier).order_by(Decision.id))
        )
        return Verdict(
            handled.reason, handled.filed, before != _snapshot(self.session), done, len(handled.notices)
        )

    def context(self) -> Context:
        return Context(self.session, self.now, self.court.people.register, DESK, _counted_bytes)

    def wait(self, **time: float) -> None:
        """Time passes, with what it does by itself."""
        self.now += timedelta(**time)
        lapse_overdue(self.context())
        end_holds(self.context())
        self.session.flush()
        self.session.expire_all()

    def _last_decision(self) -> int:
        return self.session.scalar(select(func.max(Decision.id))) or 0


def _snapshot(session: Session) -> tuple[object, ...]:
    """All that a decision can change; a refused signature is no such thing."""
    session.expire_all()
    applications = select(
        Application.number,
        Application.state,
        Application.held_at,
        Application.deadline,
        Application.error_mode,
    ).order_by(Application.number)
    decided = select(func.count()).where(JournalEntry.event == "decided")
    return (
        session.execute(applications).all(),
        session.execute(select(Entry.id, Entry.state).order_by(Entry.id)).all(),
        session.execute(select(Approval.entry_id, Approval.officer).order_by(Approval.entry_id)).all(),
        session.execute(select(Decision.id, Decision.rows).order_by(Decision.id)).all(),
        session.scalars(select(VoidSheet.code)).all(),
        session.scalar(select(func.count()).select_from(Certificate)),
        session.scalar(decided),
    )


@dataclass(eq=False)
class Court:
    """`requests`: what officers got, by a name for the application and the language. `persons`: who sign by S/MIME."""

    engine: Engine
    people: People
    reader: Reader
    now: datetime
    pki: Pki
    persons: dict[str, Person]
    requests: dict[tuple[str, Language], Request] = field(default_factory=dict)

    @contextmanager
    def sitting(self) -> Iterator[Sitting]:
        with reading(self.engine) as session:
            yield Sitting(self, session, self.now)

    def request(self, name: str = "issue", language: Language = "ja") -> Request:
        return self.requests[name, language]

    def open_all(self) -> None:
        """The applications that all mails are about."""
        rows = [tsv_line(f"test{n}.example.ac.jp") for n in (1, 2, 3)]
        self._take("issue", *rows)
        self._take("second", tsv_line("second.example.ac.jp"))
        # in our mail its line ends where a program that breaks a quote of it leaves the last word alone
        self._take("breaking", tsv_line("breaking.example.ac.jp", c12="x" * 51 + " 承認"))
        self._take("own", tsv_line("own.example.ac.jp"), sender="kobayashi@example.ac.jp")
        self._take("contact", tsv_line("contact.example.ac.jp", c10="tanaka@example.ac.jp"))
        foreign = tsv_line("www.example.jp", c10="applicant@example.jp")
        self._take("foreign", foreign, sender="applicant@example.jp")
        self._issue_certificate(self._take("issued", tsv_line("old.example.ac.jp")))
        self._take("revoke", revoke_line(_SERIAL, "old.example.ac.jp"), subject="サーバ証明書失効申請")

    def _take(
        self, name: str, *lines: str, sender: str = APPLICANT, subject: str = "サーバ証明書発行申請"
    ) -> str:
        with writing(self.engine) as session:
            ctx = Context(session, self.now, self.people.register, DESK, _counted_bytes)
            mail = replace(an_application(*lines, sender=sender, subject=subject), received_at=self.now)
            handled = handle(mail, ctx)
            assert handled.reason is Reason.TAKEN, (name, handled)
            assert handled.number
            code = show_code(session.get_one(Application, handled.number).code)
            to_officers = [n for n in handled.notices if n.letter.template == "officer.approval_request"]
            for language in ("ja", "en", "both"):
                self.requests[name, language] = self._compose(to_officers[0], language, code, tsv(*lines))
            return handled.number

    def _compose(self, notice: Notice, language: Language, code: str, file: bytes) -> Request:
        """The request as it goes out, read back as a mail program would."""
        assert notice.number
        message_id = f"<{notice.number}.{language}@example.ac.jp>"
        composer = Composer(DESK, "証明書受付", {})
        unsigned = replace(notice, sign=None, language=language)
        raw = composer.compose(unsigned, now=self.now, message_id=message_id, journal_head="ab" * 32)
        subject = str(make_header(decode_header(str(read(raw)["Subject"]))))
        sheet = next(a.data for a in notice.attachments if a.name.endswith(".sheet"))
        return Request(notice.number, code, subject, message_id, text_of(raw), sheet, file)

    def _issue_certificate(self, number: str) -> None:
        with writing(self.engine) as session:
            (entry,) = session.get_one(Application, number).entries
            session.add(
                Certificate(
                    entry_id=entry.id,
                    issuer="ab" * 32,
                    serial=str(_SERIAL),
                    not_before=self.now - timedelta(days=30),
                    not_after=self.now + timedelta(days=300),
                    der=b"0",
                    issued_at=self.now - timedelta(days=30),
                )
            )
            session.execute(update(Entry).where(Entry.id == entry.id).values(state=EntryState.ISSUED))


def _counted_bytes(count: int) -> bytes:
    """Never the same twice."""
    return next(_random).to_bytes(8, "big").rjust(count, b"\x5a")


def this_second() -> datetime:
    """gpg signs by the machine's clock, so the court's day is today."""
    return datetime.now(UTC).replace(microsecond=0)


Step = Callable[[Sitting], object]
