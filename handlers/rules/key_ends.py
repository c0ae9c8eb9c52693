"""Until when each officer's key can sign, by the register and by the key itself, and who can then still approve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from handlers.rules.policy import could_be_done
from handlers.rules.register import Institution, Officer, Register
from handlers.rules.scheme import Scheme
from handlers.rules.working_days import end_of_day, local_day

# days before a key's last one at which its officer and the monitors are told
WARNING_DAYS = (30, 14, 7)


@dataclass(frozen=True)
class KeyState:
    """What a key file says about its key, by itself good today.

    `fingerprint`: as the register pins it. `ends_at`: the last second it can sign, None: never.
    """

    scheme: Scheme
    fingerprint: str
    ends_at: datetime | None


@dataclass(frozen=True)
class OfficerKey:
    """A pinned key that is neither revoked nor expired when the register is read.

    It can sign from `starts_at` (None: always could) to `ends_at` (None: no end): the register's days and the key's.
    """

    institution: str
    officer: str
    scheme: Scheme
    fingerprint: str
    starts_at: datetime | None
    ends_at: datetime | None

    def serves_at(self, moment: datetime) -> bool:
        has_begun = self.starts_at is None or self.starts_at <= moment
        return has_begun and (self.ends_at is None or moment <= self.ends_at)

    def succeeds(self, other: "OfficerKey") -> bool:
        """Whether the officer can go on with this one when `other` ends."""
        if other.ends_at is None or (self.institution, self.officer) != (other.institution, other.officer):
            return False
        return self != other and self.serves_at(other.ends_at + timedelta(seconds=1))


@dataclass(frozen=True)
class Shortage:
    """An institution whose policies nobody can fulfil. `policies`: their places; all if no officer is `able`."""

    institution: str
    able: tuple[str, ...]
    policies: tuple[int, ...]


def officer_keys(
    register: Register, states: Iterable[KeyState], utc_offset_hours: int
) -> tuple[OfficerKey, ...]:
    """The pinned keys that have a state; a pin without one is of no use."""
    ends = {(state.scheme, state.fingerprint): state.ends_at for state in states}
    found = []
    for institution, officer, scheme, fingerprint in _pins(register):
        pin = officer.pin(scheme, fingerprint)
        if pin is None or (scheme, fingerprint) not in ends:
            continue
        starts_at = end_of_day(pin.since - timedelta(days=1), utc_offset_hours) if pin.since else None
        limits = [ends[scheme, fingerprint], end_of_day(pin.until, utc_offset_hours) if pin.until else None]
        found.append(
            OfficerKey(
                institution.id,
                officer.id,
                scheme,
                fingerprint,
                starts_at + timedelta(seconds=1) if starts_at else None,
                min((limit.astimezone(UTC) for limit in limits if limit), default=None),
            )
        )
    return tuple(found)


def find_shortage(institution: Institution, keys: Sequence[OfficerKey], now: datetime) -> Shortage | None:
    """None if officers whose keys can sign at `now` could fulfil every policy, or the institution is not active."""
    serving = {key.officer for key in keys if key.institution == institution.id and key.serves_at(now)}
    able = [officer for officer in institution.officers if officer.id in serving]
    undone = [n for n, policy in enumerate(institution.policies) if not could_be_done(policy, able)]
    if not institution.active or (able and not undone):
        return None
    return Shortage(institution.id, tuple(officer.id for officer in able), tuple(undone))


def needs_warning(key: OfficerKey, keys: Sequence[OfficerKey], now: datetime) -> bool:
    """Whether it will end, has not ended yet, and no other key of its officer takes over."""
    is_ending = key.ends_at is not None and key.ends_at >= now
    return is_ending and not any(other.succeeds(key) for other in keys)


def days_left(key: OfficerKey, now: datetime, utc_offset_hours: int) -> int:
    """Days on people's calendars until the last one on which it can sign; 0: today."""
    assert key.ends_at is not None
    return (local_day(key.ends_at, utc_offset_hours) - local_day(now, utc_offset_hours)).days


def _pins(register: Register) -> Iterable[tuple[Institution, Officer, Scheme, str]]:
    for institution in register.institutions.values():
        for officer in institution.officers:
            for pinned in officer.openpgp:
                yield institution, officer, Scheme.OPENPGP, pinned.fingerprint
            for certified in officer.smime:
                yield institution, officer, Scheme.SMIME, certified.public_key
