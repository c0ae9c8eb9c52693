"""Before rows are planned: what WHOIS says of their domains now, asked outside any transaction."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine

from bot.whois import WhoisClient, WhoisFault
from handlers.rules.register import Domain
from handlers.rules.registrant import UNREACHABLE, WhoisFact, matches
from store import whois_answers
from store.transaction import reading, writing

log = structlog.get_logger()
_PAUSE = timedelta(minutes=5)


class Inquirer:
    """Asks for each domain, but an answer that agrees with the register holds for `keeping`.

    After a fault the server (or, where it answered, that domain) is left alone for five minutes: the same thread reads
    mails. `now`: aware UTC.
    """

    def __init__(
        self, engine: Engine, client: WhoisClient, keeping: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._client = client
        self._keeping = keeping
        self._now = now
        self._resting: dict[str, datetime] = {}  # until when; "" is the server

    def ask(self, domains: Iterable[Domain], is_wanted: Callable[[], bool]) -> dict[str, WhoisFact]:
        """By the domain's name. What is not asked because `is_wanted` said no, is left out."""
        facts = {}
        for domain in sorted(domains, key=lambda d: d.name):
            if not is_wanted():
                break
            facts[domain.name] = self._find_fact(domain)
        return facts

    def _find_fact(self, domain: Domain) -> WhoisFact:
        known = self._find_answer(domain.name)
        # a changed registrant is looked at again at once: somebody may have put it right
        if known is not None and matches(domain.registrant or "", known):
            return WhoisFact(known)
        if any(self._resting.get(key, self._now()) > self._now() for key in ("", domain.name)):
            return UNREACHABLE
        try:
            names = self._client.registrants(domain.name)
        except WhoisFault as fault:
            self._resting["" if fault.temporary else domain.name] = self._now() + _PAUSE
            log.warning("whois", domain=domain.name, temporary=fault.temporary, error=str(fault))
            return UNREACHABLE
        with writing(self._engine) as session:
            whois_answers.keep(session, domain.name, names, self._now())
        return WhoisFact(names)

    def _find_answer(self, domain: str) -> tuple[str, ...] | None:
        with reading(self._engine) as session:
            return whois_answers.find(session, domain, self._now() - self._keeping)
