"""Deciding: many rows by one signed mail, beside the check of one bare signature."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from bot.bench.data import ec_rows, tsv
from bot.bench.desk import make_desk
from bot.bench.meter import metered, seconds_each
from bot.bench.office import SIGNER_APART, BenchOffice, application_mail, open_bench_office
from bot.bench.result import BenchFault, Figure, Ratio, Result, Setting
from bot.mime.signed import SignedEntity, find_signed
from bot.smime.keys import SmimeKeys
from bot.verified import Verified
from bot.wiring import utc_now
from store.states import EntryState


def measure(setting: Setting) -> Result:
    """What it takes to decide, in checks of one signature; verifications and transactions are counted."""
    rows = 200
    desk = make_desk(setting.place / "k", more=SIGNER_APART)
    file = tsv([row for _, row in ec_rows(3, rows)])
    with open_bench_office(desk) as bench:
        bench.receive(application_mail(file))
        mail = bench.approve()
        bare = _bare_check(bench, mail, 0.2 if setting.is_quick else 1)
        with counted(bench) as counts, metered() as spent:
            bench.receive(mail)
        if bench.count(EntryState.APPROVED) != rows:
            raise BenchFault(f"{bench.count(EntryState.APPROVED)} of {rows} rows were approved")
        decided = counts.copy()
        with counted(bench) as counts:
            bench.office.certifier.certify_all(lambda: True)
    return Result(
        "decision",
        (
            Figure("decision_rows", rows, "rows"),
            Figure("decision_cpu", 1000 * spent.cpu, "ms"),
            Figure("decision_bare_check", 1000 * bare, "ms"),
            Figure("decision_in_bare_checks", spent.cpu / bare, "checks"),
        ),
        (
            Ratio("decision_verifications_ratio", decided["verifications"], 1, is_floor=False),
            Ratio("decision_transactions_ratio", decided["commits"], 1, is_floor=False),
            # intents, and what the signer gave
            Ratio("decision_issuing_verifications_ratio", counts["verifications"], 1, is_floor=False),
            Ratio("decision_issuing_transactions_of_stages_ratio", counts["commits"] / 2, 1, is_floor=False),
        ),
    )


def _bare_check(bench: BenchOffice, mail: bytes, at_least: float) -> float:
    """Seconds for the signature alone."""
    entity, keys = find_signed(mail), bench.office.judge.authority.reader.smime
    if not isinstance(entity, SignedEntity) or keys is None:
        raise BenchFault("the officer's mail has no signature")
    now = utc_now()
    verdict = keys.verify_detached(entity.signed_bytes, entity.signature, now)
    if not isinstance(verdict, Verified):
        raise BenchFault(f"the officer's signature is not taken: {verdict}")
    return seconds_each(
        lambda: keys.verify_detached(entity.signed_bytes, entity.signature, now), at_least=at_least
    )


@contextmanager
def counted(bench: BenchOffice) -> Iterator[dict[str, int]]:
    """How many signatures the desk verifies in the block, and how many transactions it commits."""
    counts = {"verifications": 0, "commits": 0}
    engine: Engine = bench.office.engine
    verify = SmimeKeys.verify_detached

    def counting(keys: SmimeKeys, *arguments: Any) -> Any:
        counts["verifications"] += 1
        return verify(keys, *arguments)

    def commit(_connection: object) -> None:
        counts["commits"] += 1

    SmimeKeys.verify_detached = counting  # type: ignore[method-assign, assignment]
    event.listen(engine, "commit", commit)
    try:
        yield counts
    finally:
        event.remove(engine, "commit", commit)
        SmimeKeys.verify_detached = verify  # type: ignore[method-assign]
