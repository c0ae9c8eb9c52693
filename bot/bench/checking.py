"""Checking: a TSV of new RSA 2048 requests by every rule, beside reading each request and verifying its signature."""

from cryptography.hazmat.primitives.serialization import Encoding

from bot.bench.bare import check_all
from bot.bench.data import RsaKeys, rsa_rows, tsv
from bot.bench.desk import make_desk
from bot.bench.meter import metered
from bot.bench.office import SIGNER_APART, BenchOffice, application_mail, open_bench_office
from bot.bench.result import BenchFault, Figure, Ratio, Result, Setting
from handlers.judge_rows import judge_rows
from handlers.rules.tsv import read_tsv
from store.states import Kind
from store.transaction import reading

_ROUNDS = 3


def measure(setting: Setting) -> Result:
    """Rows a second: judged alone, and as a whole mail that is taken, stored and answered."""
    rows = 100 if setting.is_quick else 1000
    pairs = list(rsa_rows(RsaKeys(setting.shared), 2, rows))
    requests = [request.public_bytes(Encoding.DER) for request, _ in pairs]
    file = tsv([row for _, row in pairs])
    desk = make_desk(setting.place / "k", more=SIGNER_APART)
    bare = judged = 0.0
    with open_bench_office(desk) as bench:
        # in turns, so that both meet the same machine
        for _ in range(_ROUNDS):
            with metered() as spent:
                good = check_all(requests)
            bare += spent.cpu
            with metered() as spent:
                taken = judge(bench, file)
            judged += spent.cpu
            if (good, taken) != (rows, rows):
                raise BenchFault(f"of {rows} requests {good} are signed and {taken} rows are good")
        mail = application_mail(file)
        with metered() as whole:
            bench.receive(mail)
    return Result(
        "checking",
        (
            Figure("checking_rules", rows * _ROUNDS / judged, "rows/s"),
            Figure("checking_bare", rows * _ROUNDS / bare, "rows/s"),
            Figure("checking_whole_mail", rows / whole.cpu, "rows/s"),
        ),
        (Ratio("checking_rules_of_bare_ratio", bare / judged, 0.25, is_floor=True),),
    )


def judge(bench: BenchOffice, file: bytes) -> int:
    """By every rule, those among them that ask the store; how many rows are good."""
    with reading(bench.office.engine) as session:
        ctx = bench.office.judge.context(session)
        institution = ctx.register.institutions["testkikan"]
        rows = judge_rows(ctx, institution, Kind.ISSUE, read_tsv(file, "a.tsv", max_rows=ctx.desk.max_rows))
    return sum(row.request is not None for row in rows)
