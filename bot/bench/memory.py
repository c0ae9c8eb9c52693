"""The most memory that the desk's process ever had (its signer is another): idle, and with a file of a thousand rows.

The other loads, backlog and download, say theirs themselves.
"""

import time

from bot.bench.approving import apply, approve
from bot.bench.data import ec_rows
from bot.bench.mail_desk import NO_DOVECOT, MailDesk, has_dovecot, open_mail_desk
from bot.bench.meter import cpu_seconds, peak_resident_bytes
from bot.bench.result import Figure, Ratio, Result, Setting

_CASE = "memory"
_IDLE_MB, _LOADED_MB = 120, 200


def measure(setting: Setting) -> Result:
    if not has_dovecot():
        return Result(_CASE, remarks=(NO_DOVECOT,))
    with open_mail_desk() as desk:
        return measure_memory(desk, 30 if setting.is_quick else 1000)


def measure_memory(desk: MailDesk, count: int) -> Result:
    """`count`: rows in one application."""
    rows = [row for _, row in ec_rows(1, count)]
    desk.once()
    with desk.running() as pid:
        idle = _peak_at_rest(pid)
        request = apply(desk, rows)
        checked = peak_resident_bytes(pid)
        approve(desk, request, count)
        issued = peak_resident_bytes(pid)
    peaks = {"idle": (idle, _IDLE_MB), "checked": (checked, _LOADED_MB), "issued": (issued, _LOADED_MB)}
    return Result(
        _CASE,
        tuple(Figure(f"memory_{name}_peak", peak / 1e6, "MB") for name, (peak, _) in peaks.items()),
        tuple(
            Ratio(f"memory_{name}_of_{limit}_mb_ratio", peak / 1e6 / limit, 1, is_floor=False)
            for name, (peak, limit) in peaks.items()
        ),
    )


def _peak_at_rest(pid: int) -> int:
    """Bytes, once the desk's first round is over: it uses no processor for a second."""
    before = -1.0
    while (now := cpu_seconds(pid)) != before:
        before = now
        time.sleep(1.0)
    return peak_resident_bytes(pid)
