"""What commands print for people."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from bot.doctor.check import Finding
    from bot.explain import Explanation, FileReport


def print_file_report(report: "FileReport") -> None:
    """The manual's table (1-1-4 step 7): SEQ, 処理結果, エラー内容, each error with its remedy."""
    console = Console(highlight=False)
    for error in report.file_errors:
        console.print(Text(f"{error.cell('ja')}\n  対処方法: {error.remedy('ja')}"))
    table = Table("SEQ", "処理結果", "エラー内容")
    for seq, errors, warnings in report.rows:
        lines = [f"{error.cell('ja')}\n  対処方法: {error.remedy('ja')}" for error in errors]
        lines += [f"(注意) {warning.cell('ja')}" for warning in warnings]
        table.add_row(str(seq), "NG" if errors else "OK", Text("\n".join(lines)))
    if report.rows:
        console.print(table)


def print_explanation(explanation: "Explanation") -> None:
    """Four lines a mail."""
    mail, handled = explanation.mail, explanation.handled
    signed = explanation.signature_state
    if mail.signature is not None:
        signed += f" ({mail.signature.scheme}, {mail.signature.institution}/{mail.signature.officer})"
    elif mail.signature_fault is not None:
        signed += f" ({mail.signature_fault})"
    console = Console(highlight=False)
    console.print(Text(explanation.file, style="bold"))
    console.print(Text(f"  taken for: {handled.kind}\n  signature: {signed}"))
    console.print(Text(f"  decision:  {handled.decision or '-'}\n  reason:    {handled.reason}"))
    if mail.automatic:
        console.print(Text(f"  automatic: {mail.automatic}"))


def print_findings(findings: Iterable["Finding"]) -> None:
    """One line a part; what is wrong is followed by how to mend it."""
    console = Console(highlight=False)
    for finding in findings:
        mark = "ok   " if finding.ok else "WRONG"
        console.print(Text(f"{mark} {finding.part}: {finding.what}", style="" if finding.ok else "bold red"))
        if finding.mend:
            console.print(Text(f"      -> {finding.mend}"))
