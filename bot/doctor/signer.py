"""The doctor's look at the signer: the ledger behind it, its answer if it runs, what public profiles need of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot.ca.lint import require_lint
from bot.ca.protocol import CaFault
from bot.doctor.finding import Finding, Site, foreign_owner
from bot.doctor.servers import PATIENCE
from bot.doctor.store import open_to_look
from bot.signer.client import SignerClient, socket_call
from store import known_ledger, signer_ledger
from store.tables import Certificate
from store.transaction import open_store, reading

_PART = "signer"
_T = TypeVar("_T")


def examine_signer(site: Site) -> Iterator[Finding]:
    """What it could not do, and why: before the first approved row finds out."""
    yield from _profile_findings(site)
    yield from _ledger_findings(site)
    yield from _answer_findings(site)


def _profile_findings(site: Site) -> Iterator[Finding]:
    """What a certificate that the public trusts must have (BR 7.1.2.7.6): else the signer refuses each order."""
    settings = site.config.ca
    public = ", ".join(str(profile.id) for profile in site.config.profile if profile.public)
    if public or settings.lint != "off":
        try:
            require_lint()
        except CaFault as fault:
            who = f"public profile {public}" if public else f"ca.lint = {settings.lint}"
            mend = f"pip install 'ringi[lint]', or change the profile or ca.lint in {site.path}"
            yield Finding(_PART, False, f"{who}: {fault}", mend)
    for name in ("crl_url", "issuer_url"):
        if public and getattr(settings, name) is None:
            what = f"public profile {public} without ca.{name}: nothing is issued by it"
            yield Finding(_PART, False, what, f"name the URL in ca.{name} of {site.path}")


def _ledger_findings(site: Site) -> Iterator[Finding]:
    """A ledger that is gone forgot every serial and every revocation; another user's is that user's to look at."""
    ledger = site.config.signer.ledger
    if not site.config.signer.start:
        return
    if ledger.exists():
        if not site.config.signer.socket.exists() and not foreign_owner(ledger.parent):
            yield from _other_ledger(site, _id_in(ledger))
        return
    count = _from_store(site, _count_issued) or 0
    if count:
        what = (
            f"{ledger} is missing, though {count} certificate(s) were issued: none can be revoked or renewed"
        )
        mend = (
            f"stop the service, put the newest copy of {ledger} back, or correct signer.ledger in {site.path}"
        )
        yield Finding(_PART, False, what, mend)


def _count_issued(session: Session) -> int:
    query = select(func.count()).select_from(Certificate).where(Certificate.der.is_not(None))
    return session.scalar(query) or 0


def _from_store(site: Site, look: Callable[[Session], _T]) -> _T | None:
    engine = open_to_look(site)
    if engine is None:
        return None
    try:
        with reading(engine) as session:
            return look(session)
    except SQLAlchemyError:
        # the store's own part tells what is wrong with it
        return None
    finally:
        engine.dispose()


def _id_in(ledger: Path) -> str | None:
    """Of a ledger that nobody works on now; None: it has none yet."""
    engine = open_store(f"sqlite:///{ledger}")
    try:
        with reading(engine) as session:
            return signer_ledger.find_id(session)
    except SQLAlchemyError:
        # of a version without one, or broken: the signer says so when it starts
        return None
    finally:
        engine.dispose()


def _other_ledger(site: Site, found: str | None) -> Iterator[Finding]:
    """Two ledgers would each sign what the other signed (docs/decisions/0024)."""
    known = _from_store(site, known_ledger.known)
    if found is None or known in (None, found):
        return
    what = f"it works on ledger {found}, the store belongs to {known}: nothing is issued or revoked"
    mend = (
        f"put ledger {known} back (signer.ledger in {site.path}); on a second machine set signer.start = false and "
        f"reach the one signer. Only if it is lost for good: ringi accept-ledger {found}"
    )
    yield Finding(_PART, False, what, mend)


def _answer_findings(site: Site) -> Iterator[Finding]:
    settings = site.config.signer
    if settings.start and not settings.socket.exists():
        yield Finding(_PART, True, "it does not run: `ringi run` starts it")
        return
    try:
        signer = SignerClient.open(socket_call(settings.socket, min(settings.timeout, PATIENCE)))
    except CaFault as fault:
        if settings.start:
            what = f"{settings.socket} is there, but nobody answers on it: {fault}"
            yield Finding(_PART, False, what, "restart `ringi run`: it replaces the signer and its socket")
        else:
            yield Finding(_PART, True, "something else starts it: the CA's part says that it does not answer")
    else:
        yield Finding(_PART, True, f"it answers on {settings.socket}")
        yield from _other_ledger(site, signer.who.ledger)
