"""The page's judging script under node: the other side of every comparison with the rules."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.web.tsv_page import judging_script, page_tables
from handlers.context import Desk
from handlers.rules.register import Institution

DRIVER = Path(__file__).with_suffix(".js")


@dataclass(frozen=True)
class JsJudge:
    process: subprocess.Popen[str]

    def ask(self, what: str, **request: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"ask": what, **request}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "node ended; see its standard error"
        return json.loads(answer)


@contextmanager
def js_judge(node: str, folder: Path, desk: Desk, institutions: Sequence[Institution]) -> Iterator[JsJudge]:
    library, script = judging_script()
    paths = [folder / name for name in ("library.js", "script.js", "tables.json")]
    for path, text in zip(paths, (library, script, json.dumps(page_tables(desk, institutions))), strict=True):
        path.write_text(text, encoding="utf-8")
    command = [node, str(DRIVER), *map(str, paths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield JsJudge(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0
