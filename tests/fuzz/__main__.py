"""`python -m tests.fuzz TARGET [libFuzzer's options]`: for hours instead of seconds, guided by coverage.

Needs the package `atheris`, which is no dependency: it has no build for most platforms.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

if __name__ == "__main__":
    target = sys.argv.pop(1)
    with atheris.instrument_imports(include=["bot", "handlers"]):
        parsers = importlib.import_module("tests.fuzz.parsers")
        seeds = importlib.import_module("tests.fuzz.seeds")
    corpus = Path(tempfile.mkdtemp(prefix="rg"))
    for number, seed in enumerate(seeds.SEEDS.get(target) or parsers.genuine()):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], parsers.TARGETS[target])
    atheris.Fuzz()
