"""docs/reasons.md from the reason codes and their words; `python -m tests.reasons_page` writes it anew."""

import re
from collections.abc import Iterator
from pathlib import Path

from bot.compose.words import load_reasons
from handlers.rules.reasons import Reason

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reasons.md"
COMMAND = "python -m tests.reasons_page"
_SOURCE = ROOT / "handlers" / "rules" / "reasons.py"
_HEAD = f"""# Reason codes

Every mail that is taken, refused, answered or met with silence has one of these codes: in the answer, in the journal
and in what `ringi explain` prints. Made from `handlers/rules/reasons.py` and the `reasons.toml` of both languages by
`{COMMAND}`: do not edit it by hand.
"""


def groups() -> Iterator[tuple[str, list[Reason]]]:
    """As the enum is grouped: each comment that stands by itself in it is a heading."""
    heading, members = "", []
    for line in _SOURCE.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"    # (.+)", line):
            if members:
                yield heading, members
            heading, members = found[1], []
        elif found := re.match(r"    ([A-Z_]+) = ", line):
            members.append(Reason[found[1]])
    yield heading, members


def page() -> str:
    words = {language: load_reasons(language) for language in ("en", "ja")}
    lines = [_HEAD]
    for heading, members in groups():
        lines += [
            f"## {heading[0].upper()}{heading[1:]}",
            "",
            "| code | what it means | what to do |",
            "|---|---|---|",
        ]
        for reason in members:
            cells = [
                "<br>".join(words[lang][reason][part] for lang in ("en", "ja")) for part in ("what", "todo")
            ]
            lines.append(
                f"| `{reason.value}` | {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
            )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
