"""What commands print stays whole in a pipe, however long it is."""

import pytest

from bot.compose.words import load_reasons
from bot.doctor.finding import Finding
from bot.explain import Explanation, FileReport
from bot.show import print_explanation, print_file_report, print_findings
from handlers.handled import Handled
from handlers.incoming import Scheme
from handlers.rules.reasons import Reason
from handlers.rules.row_errors import RowError
from store.states import Filed
from tests.applications import a_mail

LONG = "/srv/" + "a-long-name/" * 20 + "config.toml"


def test_every_finding_is_one_line_and_its_remedy_another(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([Finding("CA", False, f"{LONG} is missing", f"look into {LONG}")])
    assert capsys.readouterr().out == f"WRONG CA: {LONG} is missing\n      -> look into {LONG}\n"


def test_what_is_well_but_wants_a_look_is_not_called_ok(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings([Finding("clock", True, "noon"), Finding("URL", True, "no answer yet", "start it")])
    assert capsys.readouterr().out == "ok    clock: noon\nnote  URL: no answer yet\n      -> start it\n"


def test_an_error_is_printed_whole_with_its_cause_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    error = RowError(241, 1, "主体者DN", ("testkikan", "x" * 200))
    print_file_report(FileReport("a.tsv", (), ((1, (error,), ()),)))
    printed = capsys.readouterr().out
    assert all(part in printed for part in (error.cell("ja"), error.cause("ja"), error.remedy("ja")))
    assert "…" not in printed


def explained(capsys: pytest.CaptureFixture[str], kind: str, reason: Reason, **mail: object) -> list[str]:
    print_explanation(Explanation("a.eml", a_mail(**mail), Handled(kind, reason, Filed.DONE)))
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("reason", [Reason.TAKEN, Reason.UNKNOWN_KEY, Reason.STRANGER])
def test_an_explanation_has_code_meaning_and_what_to_do(
    capsys: pytest.CaptureFixture[str], reason: Reason
) -> None:
    lines, words = explained(capsys, "application", reason), load_reasons("en")[reason]
    assert f"reason:    {reason.value}: {words['what']}" in lines
    assert lines[-1] == f"to do:     {words['todo']}"
    assert not any(line.startswith("because") for line in lines)


def test_a_mail_that_waits_for_a_fresh_revocation_list_is_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fault = {"signature_fault": Reason.CRL_STALE, "signature_scheme": Scheme.SMIME}
    lines = explained(capsys, "waits", Reason.CRL_STALE, **fault)
    words = load_reasons("en")[Reason.CRL_STALE]
    assert "signature: waits (crl_stale)" in lines
    assert lines[-2:] == [f"reason:    crl_stale: {words['what']}", f"to do:     {words['todo']}"]


def test_the_signature_s_own_fault_is_explained_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(capsys, "help", Reason.HELP, signature_fault=Reason.EXPIRED_KEY)
    words = load_reasons("en")[Reason.EXPIRED_KEY]
    assert lines[-2:] == [f"because:   expired_key: {words['what']}", f"to do:     {words['todo']}"]
