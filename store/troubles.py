"""What is wrong now, one row a trouble: so that it is told once, also by a process that did not see it begin."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.tables import Trouble


class TroubleKind(StrEnum):
    """What may be wrong for a while. Each has its words in `mail_templates/*/alarms.toml`."""

    STORE = "store"  # nothing can be written: the journal, the disk, the database
    DISK = "disk"  # a folder: little room is left on its disk
    IMAP = "imap"  # the server: no mail comes in
    SMTP = "smtp"  # the server: no mail goes out
    SIGNER = "signer"  # nothing is issued or revoked
    LEDGER = "ledger"  # a machine: its signer works on another ledger than the store's
    CRL = "crl"  # our own revocation list ends soon, or has ended
    CRL_OFFICERS = "crl_officers"  # a source: the list of an officers' CA is missing, or ends soon
    OPENPGP = "openpgp"  # gpg: no OpenPGP signature can be verified or made
    OWN_KEY = "own_key"  # a key or certificate of the bot or of the CA: it ends soon
    NO_OFFICER = "no_officer"  # an institution: too few officers can sign


# without these the desk does not do its work: the exit status and the health page say so
_ACUTE = {
    TroubleKind.STORE,
    TroubleKind.DISK,
    TroubleKind.IMAP,
    TroubleKind.SMTP,
    TroubleKind.SIGNER,
    TroubleKind.LEDGER,
    TroubleKind.CRL,
    TroubleKind.OPENPGP,
}
ENDED = 4  # the last stage of what comes to its end


def standing(session: Session) -> Sequence[Trouble]:
    """All of them, told or not, by kind and then the oldest first."""
    return session.scalars(select(Trouble).order_by(Trouble.kind, Trouble.since, Trouble.about)).all()


def told(session: Session) -> Sequence[Trouble]:
    """Those that the monitors know of: none of these passed by itself."""
    return [trouble for trouble in standing(session) if trouble.told_at is not None]


def is_acute(trouble: Trouble) -> bool:
    """Whether the desk lacks something it can't work without."""
    has_ended = trouble.kind == TroubleKind.OWN_KEY and trouble.stage >= ENDED
    return trouble.kind in _ACUTE or has_ended


def begin(session: Session, kind: TroubleKind, about: str, since: datetime, detail: str) -> Trouble:
    """Note it, untold; what is noted already stays as it is."""
    known = session.get(Trouble, (kind, about))
    if known is not None:
        return known
    trouble = Trouble(kind=kind, about=about, since=since, told_at=None, stage=0, detail=detail)
    session.add(trouble)
    session.flush()
    return trouble
