"""`ringi tsv`: the TSV tool in the terminal, and its page as a file (manual 1-1-2, 1-2-2, 1-3-1)."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_faults import fail, faults_told, open_judge_for, say, say_json

if TYPE_CHECKING:
    from bot.explain import FileReport
    from bot.wiring import Judge
    from handlers.rules.register import Institution

tsv_app = typer.Typer(no_args_is_help=True, help="Application TSVs: make, show and check them.")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="RINGI_CONFIG", help="The configuration file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of text.")]
InstitutionId = Annotated[
    str | None, typer.Option("--institution", help="Its id in the register; needless if there is only one.")
]
TsvPath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE")]
_DEFAULT_CONFIG = Path("config.toml")
_KIND_HELP = "issue, renew, revoke or contact (利用管理者情報更新)."
# the column that an option fills
_OPTIONS = {
    "dn": 1,
    "profile": 2,
    "reason": 5,
    "comment": 6,
    "name": 8,
    "department": 9,
    "mail": 10,
    "fqdn": 11,
    "software": 12,
    "dns_names": 13,
}


@tsv_app.command()
def new(  # noqa: PLR0913  # an option for each column
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TSV to write; it must not exist.")],
    kind: Annotated[str, typer.Option(help=_KIND_HELP)],
    csr: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="A row for each.")
    ] = None,
    serial: Annotated[
        list[str] | None, typer.Option(help="Of the old certificate; in the order of the CSRs.")
    ] = None,
    inventory: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A 一覧 file that knows the serials.")
    ] = None,
    dn: Annotated[str | None, typer.Option(help="主体者DN")] = None,
    profile: Annotated[str | None, typer.Option(help="証明書プロファイルID")] = None,
    reason: Annotated[str | None, typer.Option(help="失効理由: 0, 1, 3, 4 or 5.")] = None,
    comment: Annotated[str | None, typer.Option(help="失効理由コメント")] = None,
    name: Annotated[str | None, typer.Option(help="利用管理者氏名")] = None,
    department: Annotated[str | None, typer.Option(help="利用管理者所属")] = None,
    mail: Annotated[str | None, typer.Option(help="利用管理者mail")] = None,
    fqdn: Annotated[str | None, typer.Option(help="利用管理者FQDN")] = None,
    software: Annotated[str | None, typer.Option(help="利用管理者ソフトウェア名等")] = None,
    dns_names: Annotated[str | None, typer.Option(help="dNSName, separated by commas.")] = None,
    institution: InstitutionId = None,
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Make an application TSV (CP932) from CSRs, serial numbers and options; in a terminal, ask for what is missing.

    Nothing is written if a row has an error.
    """
    given = {_OPTIONS[key]: value for key, value in locals().items() if key in _OPTIONS and value is not None}
    from bot.explain import check_bytes
    from bot.show import print_file_report
    from bot.tsv_rows import KINDS, RowsFault, write_rows

    _known_kind(kind)
    judge = open_judge_for(config)
    where = _institution(judge, institution)
    try:
        rows = _begin_rows(judge, csr or [], serial or [], inventory)
        data = write_rows(
            KINDS[kind], [_ask_for_missing(kind, row | given, seq) for seq, row in enumerate(rows, 1)]
        )
    except RowsFault as fault:
        fail(str(fault))
    with faults_told():
        report = check_bytes(judge, data, file.name, KINDS[kind], where)
    print_file_report(report)
    if not report.ok:
        fail("nothing was written")
    try:
        with file.open("xb") as target:
            target.write(data)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    say(f"{file}: attach it to a mail to {judge.config.address}")


@tsv_app.command()
def show(
    file: TsvPath, kind: Annotated[str | None, typer.Option(help=_KIND_HELP)] = None, as_json: AsJson = False
) -> None:
    """Show an application TSV or an inventory (一覧) as a table."""
    from bot.tsv_rows import KINDS, RowsFault, as_inventory, guess, read_lines
    from bot.tsv_text import application_lines, inventory_lines

    try:
        lines = read_lines(file.read_bytes())
    except RowsFault as fault:
        fail(f"{file}: {fault}")
    if as_json:
        return say_json([list(line) for line in lines])
    if found := as_inventory(lines):
        shown = inventory_lines(found)
    else:
        word = kind or guess(lines)
        if word is None:
            fail(f"the columns of {file} do not say its kind: give --kind")
        _known_kind(word)
        shown = application_lines(lines, KINDS[word])
    for line in shown:
        say(line)
    return None


@tsv_app.command()
def check(
    file: TsvPath,
    kind: Annotated[
        str | None, typer.Option(help=f"{_KIND_HELP} Where it is not given, the columns say it.")
    ] = None,
    institution: InstitutionId = None,
    config: ConfigPath = _DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Check a TSV file as the service would, with no effect. Ends with 1 if a row has an error."""
    from bot.explain import check_file
    from bot.show import print_file_report
    from bot.tsv_rows import KINDS, RowsFault, guess, read_lines

    judge = open_judge_for(config)
    where = _institution(judge, institution)
    try:
        word = kind or guess(read_lines(file.read_bytes())) or "issue"
    except RowsFault:
        word = "issue"  # what is no text at all is told below, as the service does
    _known_kind(word)
    with faults_told():
        report: FileReport = check_file(judge, file, KINDS[word], where)
    if as_json:
        say_json(report.as_json())
    else:
        print_file_report(report)
    if not report.ok:
        raise typer.Exit(1)


@tsv_app.command()
def page(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The HTML file to write; it may exist.")],
    config: ConfigPath = _DEFAULT_CONFIG,
) -> None:
    """Write the TSV tool's page as one file, for people to open from a disk: it needs no server and no network."""
    from bot.web.tsv_page import write_page

    judge = open_judge_for(config)
    institutions = judge.authority.register.institutions.values()
    html = write_page(judge.config.desk(), institutions, None).html
    try:
        file.write_text(html, encoding="utf-8", newline="\n")
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    say(f"{file}: {len(html.encode()):,} bytes")


def _begin_rows(
    judge: "Judge", csrs: list[Path], serials: list[str], inventory: Path | None
) -> list[dict[int, str]]:
    """A row for each CSR and serial number, the first with the first, with what they say; one row without either."""
    from bot.tsv_rows import as_inventory, cells_from_csr, read_lines

    known = as_inventory(read_lines(inventory.read_bytes())) if inventory else None
    if inventory and known is None:
        fail(f"{inventory} is no inventory (一覧)")
    rows: list[dict[int, str]] = [{} for _ in range(max(len(csrs), len(serials), 1))]
    for row, serial in zip(rows, serials, strict=False):
        row |= {**(known.cells_for(serial) if known else {}), 4: serial}
    for row, path in zip(rows, csrs, strict=False):
        said = cells_from_csr(path.read_bytes(), str(path), judge.config.profile)
        row |= {number: cell for number, cell in said.items() if cell}
    return rows


def _ask_for_missing(kind: str, row: dict[int, str], seq: int) -> dict[int, str]:
    """Only in a terminal; elsewhere what is missing is an error of the row."""
    from bot.tsv_rows import KINDS, columns_of

    if not sys.stdin.isatty():
        return row
    asked = [column for column in columns_of(KINDS[kind]) if column.required and not row.get(column.number)]
    return row | {one.number: typer.prompt(f"SEQ {seq} {one.number}.{one.name}") for one in asked}


def _institution(judge: "Judge", id: str | None) -> "Institution":
    institutions = judge.authority.register.institutions
    found = institutions.get(id) if id else None
    if id is None and len(institutions) == 1:
        found = next(iter(institutions.values()))
    if found is None:
        known = ", ".join(institutions)
        asked = f"no institution {id!r} in the register" if id else "--institution is needed"
        fail(f"{asked}; there are: {known}", code=2)
    return found


def _known_kind(word: str) -> None:
    from bot.tsv_rows import KINDS

    if word not in KINDS:
        fail(f"--kind takes {', '.join(KINDS)}, not {word!r}", code=2)
