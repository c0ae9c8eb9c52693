"""When the revocation lists are fetched."""

from datetime import date, datetime, timedelta

import structlog
from cryptography import x509

from bot.config import Smime
from bot.smime.fetch import EndingList, ending_lists, fetch_crls, is_fetch_due

log = structlog.get_logger()
_AGAIN = timedelta(minutes=10)


class CrlRenewal:
    """Renews the lists once a day, and every ten minutes while one is missing or past half of its time."""

    def __init__(self, settings: Smime | None) -> None:
        self._settings = settings
        self._looked_at: datetime | None = None
        self._fetched_on: date | None = None

    def renew(self, issuers: tuple[x509.Certificate, ...], now: datetime) -> tuple[EndingList, ...] | None:
        """Fetches if it is time; what can't be fetched is logged, and the list that we have stays.

        Gives which lists are missing or end before long; None if it did not look. `issuers`: see `fetch_crls`.
        """
        if self._settings is None or (self._looked_at is not None and now < self._looked_at + _AGAIN):
            return None
        self._looked_at = now
        if self._fetched_on != now.date() or is_fetch_due(self._settings, now):
            self._fetched_on = now.date()
            for fault in fetch_crls(self._settings, now, issuers):
                log.warning("crl", source=fault.source, error=fault.message)
        return ending_lists(self._settings, now)
