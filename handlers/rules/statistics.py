"""How many certificates were issued, renewed, revoked, and are valid (発行証明書統計照会, manual 1-4)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from handlers.rules.inventory_tsv import encode_line
from handlers.rules.working_days import local_day
from store.states import Kind

FILE_NAME = "statistics.tsv"
COLUMNS = ("証明書プロファイルID", "年月", "発行数", "更新数", "失効数", "有効数")
_TOTAL = "合計"


@dataclass(frozen=True)
class Counted:
    """What is counted of one issued certificate. Times: aware UTC."""

    profile_id: int
    kind: Kind
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class StatisticsLine:
    """Of the certificates issued in `month` (its first day; None: ever): how many in all, how many of them by
    renewal, how many are revoked by now, how many valid now."""

    profile_id: int
    month: date | None
    issued: int
    renewed: int
    revoked: int
    valid: int


def count_certificates(
    certificates: Iterable[Counted], now: datetime, utc_offset_hours: int
) -> tuple[StatisticsLine, ...]:
    """By profile and month of issue, each profile ending with its total. Nothing but the counts is held."""
    counts: dict[tuple[int, date], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in certificates:
        is_valid = one.revoked_at is None and now <= one.not_after
        facts = (True, one.kind is Kind.RENEW, one.revoked_at is not None, is_valid)
        month = counts[one.profile_id, local_day(one.issued_at, utc_offset_hours).replace(day=1)]
        month[:] = [count + fact for count, fact in zip(month, facts, strict=True)]
    lines = []
    for profile_id in sorted({profile_id for profile_id, _ in counts}):
        months = {month: count for (profile, month), count in sorted(counts.items()) if profile == profile_id}
        lines += [StatisticsLine(profile_id, month, *count) for month, count in months.items()]
        lines.append(StatisticsLine(profile_id, None, *map(sum, zip(*months.values(), strict=True))))
    return tuple(lines)


def render_statistics(lines: Iterable[StatisticsLine]) -> bytes:
    """CP932, CRLF, header first."""
    return encode_line(COLUMNS) + b"".join(map(_render_line, lines))


def _render_line(line: StatisticsLine) -> bytes:
    month = line.month.strftime("%Y/%m") if line.month else _TOTAL
    numbers = (line.issued, line.renewed, line.revoked, line.valid)
    return encode_line((str(line.profile_id), month, *map(str, numbers)))
