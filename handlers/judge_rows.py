"""Every rule for every row: the file's own first, then what the store and the calendar know (manual 1-1-4 step 5)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from handlers.context import Context
from handlers.rules.checks import CheckedRow, IssueRules, check_issue_rows, names_in, screen
from handlers.rules.columns import COLUMNS_OF
from handlers.rules.register import Institution
from handlers.rules.revocation import CheckedRevocation, check_revoke_rows
from handlers.rules.row_errors import MOST_ERRORS_A_ROW, Code, RowError, name_columns, row_error
from handlers.rules.tsv import Row, TsvFile, file_warnings
from handlers.rules.working_days import local_day
from store import applications, certificates
from store.states import ENTRY_DEAD, Kind
from store.tables import Certificate

AnyRow = CheckedRow | CheckedRevocation
_DN, _OLD_SERIAL, _CSR, _MAIL = 1, 4, 7, 10


@dataclass(frozen=True)
class _Known:
    """What the store and the calendar say about the rows of one file.

    `old`: the certificates that the rows name by serial; `asked_for`: serials that another open row names already.
    """

    institution: Institution
    kind: Kind
    today: date
    names: Collection[str]
    keys: Collection[str]
    old: dict[str, Certificate]
    asked_for: Collection[str]
    warnings: tuple[RowError, ...]


def judge_rows(ctx: Context, institution: Institution, kind: Kind, file: TsvFile) -> tuple[AnyRow, ...]:
    """All errors of all rows of an application of this kind."""
    if kind is Kind.REVOKE:
        revocations = check_revoke_rows(file.rows, strict_jisx0208=ctx.desk.strict_jisx0208)
        known = _known(ctx, institution, kind, file, ())
        return tuple(_with_certificate(row, known, ctx) for row in revocations)
    strict = ctx.desk.strict_jisx0208
    rules = IssueRules(institution, ctx.desk.profiles, strict, ctx.blocked_keys, kind)
    rows = check_issue_rows(file.rows, rules)
    known = _known(ctx, institution, kind, file, rows)
    return tuple(_with_memory(row, known) for row in rows)


def foreign_certificates(ctx: Context, institution: Institution, rows: Sequence[AnyRow]) -> list[Certificate]:
    """Certificates of other institutions that these rows name: their owners should know (threats OWN1)."""
    found = certificates.by_serials(ctx.session, serials_in([row.row for row in rows])).values()
    return [c for c in found if c.entry.application.institution != institution.id]


def serials_in(rows: Sequence[Row]) -> set[str]:
    """Column 4 of every row that has one, as the store writes serials."""
    cells = (row.fields[_OLD_SERIAL - 1].strip() for row in rows if len(row.fields) >= _OLD_SERIAL)
    return {str(int(cell)) for cell in cells if cell.isascii() and cell.isdigit() and len(cell) <= 32}


def _known(
    ctx: Context, institution: Institution, kind: Kind, file: TsvFile, rows: Sequence[CheckedRow]
) -> _Known:
    serials = serials_in(file.rows)
    return _Known(
        institution=institution,
        kind=kind,
        today=local_day(ctx.now, ctx.desk.utc_offset_hours),
        names=applications.names_in_use(
            ctx.session, institution.id, {row.match_key for row in rows if row.match_key}, ENTRY_DEAD
        ),
        keys=applications.keys_in_use(
            ctx.session, {row.public_key_sha256 for row in rows if row.public_key_sha256}, ENTRY_DEAD
        ),
        old=certificates.by_serials(ctx.session, serials),
        asked_for=applications.serials_asked_for(ctx.session, serials),
        warnings=file_warnings(file),
    )


def _with_memory(row: CheckedRow, known: _Known) -> CheckedRow:
    """A row of a new certificate or of a renewal."""
    # a name outside the institution's domains is an error of its own (908) already
    covered = tuple(name for name in names_in(row.row) if known.institution.domain_of(name))
    found = list(screen(known.institution, covered, known.today))
    warnings = list(row.warnings)
    if known.kind is Kind.RENEW:
        found += _renewal_errors(row, known, warnings)
    elif row.match_key in known.names:
        found.append(row_error(Code.DN_EXISTS, _DN, ",".join(row.row.fields[:1])))
    if row.public_key_sha256 in known.keys:
        found.append(row_error(Code.KEY_USED, _CSR))
    errors = name_columns((*row.errors, *found), COLUMNS_OF[known.kind])[:MOST_ERRORS_A_ROW]
    if row.row.seq == 1:
        warnings = [*known.warnings, *warnings]
    return replace(row, request=None if errors else row.request, errors=errors, warnings=tuple(warnings))


def _renewal_errors(row: CheckedRow, known: _Known, warnings: list[RowError]) -> list[RowError]:
    """The old one may be revoked or expired, but must be ours and of the same CN and OU (formats of the real service
    since 2020-07-15); a second application for it must wait for the first."""
    serials = serials_in([row.row])
    if not serials:
        return []
    serial = serials.pop()
    old = known.old.get(serial)
    if old is None or old.entry.application.institution != known.institution.id:
        return [row_error(Code.OLD_SERIAL, _OLD_SERIAL)]
    if row.match_key is not None and old.entry.match_key != row.match_key:
        return [row_error(Code.OLD_SERIAL, _OLD_SERIAL)]
    if serial in known.asked_for:
        return [row_error(Code.DN_EXISTS, _DN, old.entry.subject_dn)]
    contact = row.row.fields[_MAIL - 1].strip().lower() if len(row.row.fields) >= _MAIL else ""
    if contact != old.entry.contact_mail.lower():
        warnings.append(row_error(Code.OTHER_CONTACT, _MAIL))
    return []


def _with_certificate(row: CheckedRevocation, known: _Known, ctx: Context) -> CheckedRevocation:
    """A row of a revocation: the certificate must be ours, valid now, and the one that the DN says."""
    errors, warnings = list(row.errors), list(row.warnings)
    serials = serials_in([row.row])
    if serials:
        serial = serials.pop()
        old = known.old.get(serial)
        is_ours = old is not None and old.entry.application.institution == known.institution.id
        if old is None or not is_ours or not certificates.is_valid(old, ctx.now) or serial in known.asked_for:
            errors.append(row_error(Code.NOT_REVOCABLE, _OLD_SERIAL))
        elif row.request is not None:
            if row.request.subject_dn.match_key() != old.entry.match_key:
                errors.append(row_error(Code.NOT_REVOCABLE, _OLD_SERIAL))
            if row.request.contact_mail.lower() != old.entry.contact_mail.lower():
                warnings.append(row_error(Code.CONTACT_DIFFERS, _MAIL))
    named = name_columns(tuple(errors), COLUMNS_OF[known.kind])
    if row.row.seq == 1:
        warnings = [*known.warnings, *warnings]
    return replace(
        row,
        request=None if errors else row.request,
        errors=named[:MOST_ERRORS_A_ROW],
        warnings=tuple(warnings),
    )
