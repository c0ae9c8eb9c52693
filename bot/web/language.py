"""Which of the two languages a visitor reads, and how a moment is written in it."""

from datetime import datetime, timedelta, timezone
from typing import Literal

Language = Literal["ja", "en"]

_WEEKDAYS = {
    "ja": ("月", "火", "水", "木", "金", "土", "日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def choose_language(asked: str | None, accepted: str, default: Language) -> Language:
    """`asked` is the link's `lang`, `accepted` the header Accept-Language (RFC 9110 12.5.4), both untrusted.

    Who accepts neither Japanese nor English gets English; who says nothing gets `default`.
    """
    if asked in ("ja", "en"):
        return "ja" if asked == "ja" else "en"
    weights = dict[str, float]()
    for part in accepted.lower().split(",")[:50]:
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        if tag and weight > 0:
            primary = tag.strip().partition("-")[0]
            weights[primary] = max(weights.get(primary, 0), weight)
    ja, en = weights.get("ja", 0), weights.get("en", 0)
    if ja == en:
        return "en" if weights.keys() - {"ja", "en", "*"} and not ja else default
    return "ja" if ja > en else "en"


def _weight(parameter: str) -> float:
    name, _, value = parameter.replace(" ", "").partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def write_moment(moment: datetime, language: Language, utc_offset_hours: int) -> str:
    """To the minute, on the desk's clock: `2026年12月22日(火) 23:59`, `Tue 22 Dec 2026, 23:59 (UTC+9)`."""
    local = moment.astimezone(timezone(timedelta(hours=utc_offset_hours)))
    weekday = _WEEKDAYS[language][local.weekday()]
    if language == "ja":
        zone = "" if utc_offset_hours == 9 else f" (UTC{utc_offset_hours:+d})"
        return f"{local.year}年{local.month}月{local.day}日({weekday}) {local:%H:%M}{zone}"
    month = _MONTHS[local.month - 1]
    return f"{weekday} {local.day} {month} {local.year}, {local:%H:%M} (UTC{utc_offset_hours:+d})"
