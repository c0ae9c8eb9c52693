"""What the bot would make of a mail or a TSV file, and why: the service's own code, with every effect rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from bot.config import Config
from bot.mime.read import read_mail
from bot.smime.keys import SmimeFault
from bot.verified import MailFault
from bot.wiring import Judge, utc_now
from handlers.dispatch import handle
from handlers.handled import Handled
from handlers.incoming import IncomingMail, MailKey, Scheme
from handlers.judge_rows import AnyRow, judge_rows
from handlers.rules.contact_update import CheckedContact, check_contact_rows
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution
from handlers.rules.row_errors import RowError
from handlers.rules.tsv import read_tsv
from store.states import Filed, Kind
from store.tables import Base
from store.transaction import open_store, reading

_NOWHERE = MailKey("", "", 0, 0)


@dataclass(frozen=True)
class Explanation:
    """One mail's verdict; `as_json` is the line that `ringi explain --json` prints."""

    file: str
    mail: IncomingMail
    handled: Handled

    @property
    def signature_state(self) -> str:
        if self.mail.signature is not None:
            return "good"
        if self.mail.signature_fault is Reason.CRL_STALE:
            return "waits"
        return "refused" if self.mail.signature_fault is not None else "none"

    def as_json(self) -> dict[str, object]:
        signature, fault = self.mail.signature, self.mail.signature_fault
        scheme = signature.scheme if signature else self.mail.signature_scheme
        return {
            "file": self.file,
            "kind": self.handled.kind,
            "signature": {
                "state": self.signature_state,
                "scheme": scheme.value if scheme else None,
                "by": f"{signature.institution}/{signature.officer}" if signature else None,
                "reason": fault.value if fault else None,
            },
            "decision": self.handled.decision,
            "automatic": self.mail.automatic is not None,
            "reason": self.handled.reason.value,
        }


def open_for_reading(config: Config) -> Engine:
    """The configured store; an empty one in memory where there is none yet, so that nothing is made on disk."""
    prefix = "sqlite:///"
    if config.store.url.startswith(prefix) and not Path(config.store.url.removeprefix(prefix)).exists():
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        Base.metadata.create_all(engine)
        return engine
    return open_store(config.store.url)


def explain_mail(judge: Judge, path: Path, at: datetime | None) -> Explanation:
    """`at`: when our server would have received it; default: the topmost Received date, else now."""
    raw = path.read_bytes()
    received_at = at or _received_date(raw) or utc_now()
    try:
        mail = judge.authority.reader.read(raw, _NOWHERE, received_at)
    except SmimeFault:
        # the service leaves such a mail where it is until a fresh revocation list is there
        return _unjudged(
            judge, path, received_at, Scheme.SMIME, Handled("waits", Reason.CRL_STALE, Filed.DONE)
        )
    except MailFault:
        handled = Handled("crashed", Reason.CRASHED, Filed.QUARANTINE)
        return _unjudged(judge, path, received_at, Scheme.OPENPGP, handled)
    with reading(judge.engine) as session:
        handled = handle(mail, judge.context(session, received_at))
    return Explanation(str(path), mail, handled)


def _unjudged(judge: Judge, path: Path, at: datetime, scheme: Scheme, handled: Handled) -> Explanation:
    mail = read_mail(path.read_bytes(), _NOWHERE, at, authserv_id=judge.config.imap.authserv_id)
    mail = replace(mail, signature_fault=handled.reason, signature_scheme=scheme)
    return Explanation(str(path), mail, handled)


def _received_date(raw: bytes) -> datetime | None:
    """From the topmost Received header, which our own server wrote (RFC 5321 4.4)."""
    unfolded = (
        raw[:65536].replace(b"\r\n", b"\n").partition(b"\n\n")[0].replace(b"\n ", b" ").replace(b"\n\t", b" ")
    )
    for line in unfolded.decode("ascii", "replace").split("\n"):
        if line.lower().startswith("received:"):
            try:
                date = parsedate_to_datetime(line.rpartition(";")[2].strip())
            except ValueError:
                return None
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    return None


@dataclass(frozen=True)
class FileReport:
    """What `ringi tsv check` prints: every row with every error."""

    file: str
    file_errors: tuple[RowError, ...]
    rows: tuple[tuple[int, tuple[RowError, ...], tuple[RowError, ...]], ...]

    @property
    def ok(self) -> bool:
        return not self.file_errors and not any(errors for _, errors, _ in self.rows)

    def as_json(self) -> dict[str, object]:
        found: dict[str, object] = {
            "file": self.file,
            "rows": [
                {
                    "seq": seq,
                    "result": "NG" if errors else "OK",
                    "errors": [error.cell("ja") for error in errors],
                    "warnings": [warning.cell("ja") for warning in warnings],
                }
                for seq, errors, warnings in self.rows
            ],
        }
        if self.file_errors:
            found["errors"] = [error.cell("ja") for error in self.file_errors]
        return found


def check_file(judge: Judge, path: Path, kind: Kind | None, institution: Institution) -> FileReport:
    """Check a TSV as if it had been mailed for this institution now."""
    return check_bytes(judge, path.read_bytes(), path.name, kind, institution)


def check_bytes(
    judge: Judge, data: bytes, name: str, kind: Kind | None, institution: Institution
) -> FileReport:
    """`kind` None: a change of contacts, whose certificates an officer's signed mail alone has looked up."""
    with reading(judge.engine) as session:
        ctx = judge.context(session)
        file = read_tsv(data, name, max_rows=ctx.desk.max_rows)
        checked: Sequence[AnyRow | CheckedContact] = ()
        if not file.errors:
            checked = (
                check_contact_rows(file.rows) if kind is None else judge_rows(ctx, institution, kind, file)
            )
    rows = tuple((row.row.seq, row.errors, row.warnings) for row in checked)
    return FileReport(name, file.errors, rows)
