"""Faults planted in the program, to see that the trials find them: Python that runs before the program, in its process.

Each breaks one rule of the promise (threats, section 9) and nothing else: undisturbed, the program works as before.
"""

from dataclasses import dataclass

from tests.faults.points import Fault


@dataclass(frozen=True)
class Plant:
    """`step`: the title of the step that meets it. `roles`: whose calls are hit."""

    name: str
    step: str
    code: str
    fault: Fault = Fault.KILL
    roles: tuple[str, ...] = ("desk",)


_MOVED = """
import bot.intake as m
fetch = m._fetch
def fetch_and_move(folder, uid, look):
    raw = fetch(folder, uid, look)
    folder.move(uid, "Done")
    return raw
m._fetch = fetch_and_move
"""

_SENT = """
import smtplib, ssl, sys
from pathlib import Path
from bot.config import load_config
from store import outbox
from store.states import OutboxState
config = load_config(Path(sys.argv[-1]))
whole = outbox.enqueue
def send_at_once(session, *, recipient, data, **more):
    with smtplib.SMTP(config.smtp.host, config.smtp.port) as server:
        server.starttls(context=ssl.create_default_context(cafile=config.smtp.ca_file))
        server.login(config.smtp.user, config.smtp.secret())
        server.sendmail(config.address, [recipient], data, mail_options=["BODY=8BITMIME"])
    outgoing = whole(session, recipient=recipient, data=data, **more)
    outgoing.state, outgoing.attempts = OutboxState.SENT, 1
    return outgoing
outbox.enqueue = send_at_once
"""

# the whole of it in one transaction: plan, ask the signer, record
_UNRESERVED = """
from contextlib import contextmanager
import bot.certify as m
writing, held = m.writing, []
@contextmanager
def shared(engine):
    if held:
        yield held[-1]
        held[-1].flush()
    else:
        with writing(engine) as session:
            yield session
whole = m.Certifier.certify_all
def certify_all(self, is_wanted):
    with writing(self.engine) as session:
        held.append(session)
        try:
            return whole(self, is_wanted)
        finally:
            held.pop()
m.Certifier.certify_all = certify_all
m.writing = m.reading = shared
"""

# a mail counts as sent when it begins
_MARKED = """
from store import outbox
from store.states import OutboxState
begin = outbox.begin
def begin_and_mark(session, id, now, *more):
    outgoing = begin(session, id, now, *more)
    if outgoing is not None:
        outgoing.state, outgoing.sent_at = OutboxState.SENT, now
    return outgoing
outbox.begin = begin_and_mark
"""

# what a mail changes is committed, and only then what is answered
_TWO_COMMITS = """
import bot.intake as m
queue, whole, later = m.Post.queue, m.Intake.take_in, []
def put_off(self, session, notices, now):
    later.append((self, list(notices), now))
def commit(self, mail):
    m.Post.queue = put_off
    try:
        filed = whole(self, mail)
    finally:
        m.Post.queue = queue
    with m.writing(self.engine) as session:
        for post, notices, now in later:
            post.queue(session, notices, now)
    later.clear()
    return filed
m.Intake.take_in = commit
"""

_SWALLOWED = """
import bot.intake as m
from sqlalchemy.exc import OperationalError
from store.states import Filed
whole = m.Intake.take_in
def commit(self, mail):
    try:
        return whole(self, mail)
    except OperationalError as error:
        m.log.error("store", error=str(error))
        return Filed.DONE
m.Intake.take_in = commit
"""

# the certificate is stored in one transaction, the row's new state in another
_HALF_RECORDED = """
import bot.certify as m
from store.tables import Certificate
whole = m.Certifier._record
def record(self, answers):
    with m.writing(self.engine) as session:
        for id, answer in answers:
            if isinstance(answer, bytes):
                session.get_one(Certificate, id).der = answer
    return whole(self, answers)
m.Certifier._record = record
"""


PLANTS = (
    Plant("moved before the commit", "issue, application", _MOVED),
    Plant("sent before the commit", "issue, application", _SENT),
    Plant("serial not reserved before signing", "issue, approval", _UNRESERVED),
    Plant("called sent before it is sent", "issue, application", _MARKED),
    Plant("answers in a transaction of their own", "issue, application", _TWO_COMMITS),
    Plant("certificate stored before its row", "issue, approval", _HALF_RECORDED),
    Plant("a full disk is only logged", "issue, application", _SWALLOWED, Fault.ENOSPC),
)
