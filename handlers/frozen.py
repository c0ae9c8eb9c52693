"""What approved rows still prove right before they are carried out: enough officers, and the very bytes they signed
(threats AP1, 'frozen')."""

import hashlib

from handlers.context import Context
from handlers.proof import Proven
from handlers.rules.register import Institution
from handlers.rules.sheet import SheetFault, code_of, parse_sheet
from handlers.rules.tsv import Row, read_row
from store import applications, inbox
from store.tables import Application, Entry


def is_approved(ctx: Context, entry: Entry, institution: Institution, proven: Proven) -> bool:
    """Enough different officers, each by a signature that verified just now."""
    officers = {
        approval.officer
        for approval in applications.approvals_of(ctx.session, entry)
        if entry.seq in proven.get(approval.decision_id, frozenset())
    }
    return len(officers) >= institution.policy.approvals


def frozen_row(ctx: Context, application: Application, entry: Entry) -> Row | None:
    """The row, read from its approved bytes; None unless the sheet behind the code still names them.

    The caller derives its request from the row and compares that with what else is stored.
    """
    try:
        sheet_bytes = inbox.blob(ctx.session, application.sheet_sha256)
        sheet = parse_sheet(sheet_bytes)
    except (KeyError, SheetFault):
        return None
    row = next((r for r in sheet.rows if r.seq == entry.seq), None)
    agrees = (
        row is not None
        and row.digest == digest(entry.raw_line)
        and application.code == code_of(sheet_bytes)
        and (sheet.number, sheet.institution) == (application.number, application.institution)
        and (sheet.instance, sheet.file_sha256) == (ctx.desk.instance, application.file_sha256)
        and sheet.kind is application.kind
    )
    return read_row(entry.seq, entry.raw_line, application.encoding) if agrees else None


def digest(data: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()
