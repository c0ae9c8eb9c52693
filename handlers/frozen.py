"""The frozen sheet: made when officers are asked, and what approved rows still prove right before they are carried out:
enough officers, under the policy that is in force, and the very bytes they signed (threats AP1, 'frozen')."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from handlers.context import Context
from handlers.proof import Proven
from handlers.rules.policy import progress
from handlers.rules.register import Institution, Policy
from handlers.rules.sheet import Sheet, SheetFault, SheetRow, code_of, parse_sheet, policy_digest
from handlers.rules.tsv import Row, read_row
from handlers.views import sheet_row
from store import applications, inbox, journal
from store.states import ErrorMode, Verb
from store.tables import Application, Certificate, Entry

# a sheet that no policy stands behind: nobody is asked to sign it
_NO_POLICY = "none"
_NO_DIGEST = "0" * 64


def freeze(ctx: Context, application: Application, institution: Institution) -> bytes:
    """A sheet with a nonce of its own, under the policy in force, becomes the application's; its bytes."""
    policy = institution.policy_for(application.kind)
    sheet = Sheet(
        instance=ctx.desk.instance,
        number=application.number,
        institution=institution.id,
        kind=application.kind,
        file_sha256=application.file_sha256,
        rows=tuple(sheet_row(e.seq, e.raw_line, e.fqdn) for e in application.entries),
        policy=policy.name if policy else _NO_POLICY,
        policy_sha256=_digest_of(policy),
        register_sha256=institution.digest,
        journal_head=journal.head(ctx.session),
        nonce=ctx.random(16).hex(),
    ).render()
    application.policy = policy.name if policy else None
    application.sheet_sha256 = inbox.keep_blob(ctx.session, sheet)
    application.code = code_of(sheet)
    return sheet


def is_in_force(ctx: Context, application: Application, institution: Institution) -> bool:
    """Whether the sheet commits to the policy that is in force now. A sheet that is not what its code says is another
    matter: True, and `open_frozen` finds it out."""
    found = _sheet_of(ctx, application)
    return found is None or found.sheet.policy_sha256 == _digest_of(institution.policy_for(application.kind))


def approved_rows(
    ctx: Context, application: Application, institution: Institution, proven: Proven
) -> frozenset[int]:
    """SEQs with enough different officers, each by a signature that verified just now, under the policy they saw."""
    policy = institution.policy_for(application.kind)
    if policy is None or not is_in_force(ctx, application, institution):
        return frozenset()
    given = applications.signed_approvals_on(ctx.session, application.number)
    nobody = frozenset[int]()
    found = []
    for entry in application.entries:
        approved = [
            institution.officer(officer)
            for decision, officer in given.get(entry.id, ())
            if entry.seq in proven.get(decision, nobody)
        ]
        if progress(policy, [officer for officer in approved if officer is not None]).is_done:
            found.append(entry.seq)
    return frozenset(found)


def is_untouched(ctx: Context, application: Application) -> bool:
    """Whether what stands behind the sheet and the decisions is still what it was: the mail and the file that came,
    what each approval was verified with, and what happens to the other rows when one fails."""
    session = ctx.session
    found = _sheet_of(ctx, application)
    if found is None or not _is_of(ctx, found.sheet, application):
        return False
    approvals = [d for d in applications.decisions_on(session, application.number) if d.verb is Verb.APPROVE]
    digests = {application.mail_sha256, application.file_sha256, application.sheet_sha256}
    for decision in approvals:
        digests |= {decision.mail_sha256, decision.status_sha256, *applications.materials_of(decision)}
    modes = {ErrorMode.FAULTLESS_ONLY if d.faultless_only else ErrorMode.STOP_ALL for d in approvals[-1:]}
    return application.error_mode in modes and all(_is_kept(ctx, found) for found in digests)


def _is_kept(ctx: Context, sha256: str) -> bool:
    try:
        return digest(inbox.blob(ctx.session, sha256)) == sha256
    except KeyError:
        return False


@dataclass(frozen=True)
class Frozen:
    """What officers approved of one application. `rows`: of its sheet, by SEQ; `holders`: public key -> the id of the
    row that it is noted for."""

    rows: Mapping[int, SheetRow]
    holders: Mapping[str, int]
    encoding: str

    def row(self, entry: Entry) -> Row | None:
        """The row, read from its approved bytes; None unless the sheet still names them.

        The caller derives its request from the row and compares that with what else is stored.
        """
        row = self.rows.get(entry.seq)
        agrees = row is not None and row.digest == digest(entry.raw_line) and self._holds_key(entry)
        return read_row(entry.seq, entry.raw_line, self.encoding) if agrees else None

    def _holds_key(self, entry: Entry) -> bool:
        """A revocation has none."""
        key = entry.public_key_sha256
        return key is None or self.holders.get(key) == entry.id


def open_frozen(ctx: Context, application: Application) -> Frozen | None:
    """None unless the sheet behind the code is still this application's."""
    found = _sheet_of(ctx, application)
    if found is None or not _is_of(ctx, found.sheet, application):
        return None
    holders = applications.key_holders(ctx.session, application.number)
    return Frozen(found.rows, holders, application.encoding)


def is_as_intended(certificate: Certificate, signed: x509.Certificate | None) -> bool:
    """Whether an intent is still what was committed: nothing came of it yet, it is of the institution that applied and
    renews what its row names, and what was signed bears its serial and its dates. Which serial and dates those must be,
    the signer's ledger knows."""
    replaced = certificate.replaces.serial if certificate.replaces else None
    times = (certificate.issued_at, certificate.downloaded_at, certificate.revoked_at)
    is_open = not any(times) and certificate.revocation_reason is None
    owner = certificate.entry.application.institution
    if replaced != certificate.entry.old_serial or certificate.institution != owner or not is_open:
        return False
    if signed is None:
        return True
    return (signed.serial_number, signed.not_valid_before_utc, signed.not_valid_after_utc) == (
        int(certificate.serial),
        certificate.not_before,
        certificate.not_after,
    )


def _is_of(ctx: Context, sheet: Sheet, application: Application) -> bool:
    return (
        (sheet.number, sheet.institution) == (application.number, application.institution)
        and (sheet.instance, sheet.file_sha256) == (ctx.desk.instance, application.file_sha256)
        and (sheet.kind, sheet.policy) == (application.kind, application.policy or _NO_POLICY)
    )


@dataclass(frozen=True)
class _Read:
    """`rows` by SEQ; `sha256` of its bytes, hex."""

    sheet: Sheet
    rows: Mapping[int, SheetRow]
    sha256: str


def _sheet_of(ctx: Context, application: Application) -> _Read | None:
    """The sheet behind the code; None if those bytes are gone or are not it."""
    try:
        found = _read(inbox.blob(ctx.session, application.sheet_sha256))
    except (KeyError, SheetFault):
        return None
    is_it = (found.sha256, found.sha256[:32]) == (application.sheet_sha256, application.code)
    return found if is_it else None


@lru_cache(maxsize=4)
def _read(data: bytes) -> _Read:
    """Kept for a while: the same sheet is asked for row after row, and may have thousands."""
    sheet = parse_sheet(data)
    return _Read(sheet, {row.seq: row for row in sheet.rows}, digest(data))


def _digest_of(policy: Policy | None) -> str:
    return policy_digest(policy) if policy else _NO_DIGEST


def digest(data: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()
