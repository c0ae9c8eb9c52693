"""What commands print for people. No line is wrapped or cut: in a pipe, nobody knows how wide a line may be."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bot.cli_faults import answering
from bot.compose.lines import tame
from bot.compose.words import load_reasons

if TYPE_CHECKING:
    from bot.doctor.check import Finding
    from bot.explain import Explanation, FileReport
    from handlers.rules.reasons import Reason
    from handlers.rules.row_errors import RowError


def print_file_report(report: "FileReport") -> None:
    """The manual's table (1-1-4 step 7) as our mails have it: SEQ, 処理結果, エラー内容, with cause and remedy."""
    for error in report.file_errors:
        _print(_in_words(error))
    if report.rows:
        _print("SEQ  処理結果  エラー内容")
    for seq, errors, warnings in report.rows:
        _print(f"{seq:3}  {'NG' if errors else 'OK'}", "bold red" if errors else "")
        for error in errors:
            _print(_in_words(error))
        for warning in warnings:
            _print(_in_words(warning, "【注意】 "))


def print_explanation(explanation: "Explanation") -> None:
    """A few lines a mail; a reason comes with its code, what it means and what its sender should do (docs/reasons.md).

    `because`: the signature's own fault, where the answer has another reason.
    """
    mail, handled = explanation.mail, explanation.handled
    signed = explanation.signature_state
    if mail.signature is not None:
        signed += f" ({mail.signature.scheme}, {mail.signature.institution}/{mail.signature.officer})"
    elif mail.signature_fault is not None:
        signed += f" ({mail.signature_fault})"
    _print(explanation.file, "bold")
    _print(f"  taken for: {handled.kind}\n  signature: {signed}\n  decision:  {handled.decision or '-'}")
    _print_reason("reason:", handled.reason)
    if mail.signature_fault not in (None, handled.reason):
        _print_reason("because:", mail.signature_fault)
    if mail.automatic:
        _print(f"  automatic: {mail.automatic}")


def print_findings(findings: Iterable["Finding"]) -> None:
    """One line a part; what is wrong, or is only worth a note, is followed by what to do."""
    for finding in findings:
        mark = "WRONG" if not finding.ok else "note " if finding.mend else "ok   "
        _print(f"{mark} {finding.part}: {finding.what}", "" if finding.ok else "bold red")
        if finding.mend:
            _print(f"      -> {finding.mend}")


def _print_reason(label: str, reason: "Reason") -> None:
    words = load_reasons("en")[reason]
    _print(f"  {label:<11}{reason}: {words['what']}\n  {'to do:':<11}{words['todo']}")


def _in_words(error: "RowError", mark: str = "") -> str:
    told = tame(error)
    cell, cause, remedy = told.cell("ja"), told.cause("ja"), told.remedy("ja")
    return f"　{mark}{cell}\n　　原因: {cause}\n　　対処方法: {remedy}"


def _print(text: str, style: str = "") -> None:
    with answering():
        Console(highlight=False).print(Text(text, style), soft_wrap=True)
