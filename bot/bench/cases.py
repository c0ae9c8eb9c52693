"""The cases, by name. A module is imported when its case runs: the programs it needs may be missing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from bot.bench.result import Result, Setting


@dataclass(frozen=True)
class Case:
    """`module` has `measure(setting) -> Result`, which raises BenchFault."""

    title: str
    module: str

    def measure(self, setting: Setting) -> Result:
        run: Callable[[Setting], Result] = import_module(self.module).measure
        return run(setting)


CASES: Mapping[str, Case] = {
    "start": Case("starting, beside a Python that does nothing", "bot.bench.start"),
    "answer": Case("one mail's answer, beside the notice of a connection in IDLE", "bot.bench.answer"),
    "backlog": Case("mails that wait, beside a program that only reads them", "bot.bench.backlog"),
    "memory": Case("memory at rest, and with a file of a thousand rows", "bot.bench.memory"),
    "download": Case("the download page", "bot.bench.download"),
    "issuing": Case(
        "from a decision on 1,000 rows to stored certificates and a queued mail", "bot.bench.issuing"
    ),
    "checking": Case("a TSV of 1,000 rows by every rule", "bot.bench.checking"),
    "decision": Case("200 rows decided by one signed mail", "bot.bench.decision"),
    "signing": Case("what it costs to sign a mail of ours", "bot.bench.signing"),
    "lint": Case("what pkilint costs, a certificate", "bot.bench.lint"),
    "growth": Case(
        "what a past costs: stores with a thousand and with a million certificates", "bot.bench.growth"
    ),
    "revocations": Case("a revocation list of 100,000 entries", "bot.bench.revocations"),
}
