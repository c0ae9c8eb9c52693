"""`python -m bot.bench.alone list|journal CONFIG`: one long read in a process that did nothing else; what it took."""

import json
import os
import sys
import time
from pathlib import Path

from bot.bench.meter import peak_resident_bytes
from bot.config import load_config
from bot.wiring import open_judge
from handlers.listing import inventory_lines
from store import journal
from store.transaction import reading


def main(what: str, config: Path) -> None:
    """Prints JSON: how many `rows`, `cpu` seconds, the `peak` of memory in bytes. `list`: of the first institution."""
    judge = open_judge(load_config(config))
    with reading(judge.engine) as session:
        ctx, begin = judge.context(session), time.process_time()
        if what == "list":
            rows = sum(1 for _ in inventory_lines(ctx, min(ctx.register.institutions))) - 1
        else:
            chain = journal.walk(session)
            assert chain.fault is None, chain.fault
            rows = chain.length
    cpu, peak = time.process_time() - begin, peak_resident_bytes(os.getpid())
    sys.stdout.write(json.dumps({"rows": rows, "cpu": cpu, "peak": peak}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
