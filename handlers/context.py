"""What a handler may know besides the mail: the open transaction, the time, the register, the desk's settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from sqlalchemy.orm import Session

from handlers.rules.key_ends import OfficerKey
from handlers.rules.profile import DEFAULT_PROFILES, Profile
from handlers.rules.register import Register


@dataclass(frozen=True)
class Desk:
    """The settings decisions depend on; `bot.wiring` fills it from the configuration.

    `instance`: this bot's id, part of every sheet. `address`: the bot's own mail address. `public_url`: where the
    download page is reached, without a slash at the end. `lapse_working_days`: how long officers have.
    """

    instance: str
    address: str
    public_url: str
    monitors: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = DEFAULT_PROFILES
    max_rows: int = 99
    strict_jisx0208: bool = False
    lapse_working_days: int = 10
    hold_days: int = 30
    not_downloaded_days: tuple[int, int] = (7, 14)  # when the applicant and when the officers are told
    batch_hour: int = 8  # when officers get all that is open in one mail
    down_minutes: int = 15  # how long a server may be away before the monitors are told
    digest_hour: int = 7  # when the monitors get the day's digest
    expiry_mails_per_day: int = 20  # to one address, about certificates that are about to end
    mails_per_day: int = 200  # of one sender, unsigned, that are looked at
    repeat_minutes: int = 10  # how long a used download URL still answers
    holidays: frozenset[date] = field(default_factory=frozenset)
    whois: Literal["off", "warn", "require"] = "off"  # what a changed registrant does
    utc_offset_hours: int = 9  # the day people mean, in numbers, deadlines and mails: JST
    timestamp_url: str | None = None  # what an officer who asks for タイムスタンプ is told

    def profile(self, profile_id: int) -> Profile | None:
        return next((p for p in self.profiles if p.id == profile_id), None)


@dataclass(frozen=True)
class Context:
    """`now`: UTC, aware, whole seconds, read once a mail. `random`: n -> n unguessable bytes. `officer_keys`: of
    the register, those that could sign when it was read. `blocked_keys`: SPKI SHA-256 in hex, for nobody.
    """

    session: Session
    now: datetime
    register: Register
    desk: Desk
    random: Callable[[int], bytes]
    officer_keys: tuple[OfficerKey, ...] = ()
    blocked_keys: frozenset[str] = frozenset()
