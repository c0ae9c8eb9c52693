"""The three files an officer may ask for: certificates, counts, and what may be applied for (manual 1-4)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from handlers.download import new_token
from handlers.incoming import Attachment
from handlers.letters.lookup import AllowedDomain, OfficerAllowlist, OfficerInventory, OfficerStatistics
from handlers.officer_answer import Officered
from handlers.rules import allowlist_tsv, inventory_tsv, statistics
from handlers.rules.inventory_tsv import InventoryRow, Issued, Revocation
from handlers.rules.working_days import local_day
from store import file_urls, inbox, inventory
from store.tables import Certificate, Entry

MOST_ATTACHED = 5 << 20  # bytes before base64; larger mails are refused on their way
_FETCH_WITHIN = timedelta(days=7)
_TSV = "text/tab-separated-values"


def list_inventory(
    who: Officered, limit: int = MOST_ATTACHED
) -> tuple[OfficerInventory, tuple[Attachment, ...]]:
    """Every application and certificate: attached, or beyond `limit` bytes behind a one-time URL."""
    name = inventory_tsv.FILE_NAME
    lines = list(inventory_tsv.render_inventory(_rows(who), who.ctx.desk.utc_offset_hours))
    count, data = len(lines) - 1, b"".join(lines)
    if len(data) <= limit:
        letter = OfficerInventory(who.officer.name, name, count, url=None, expires_at=None)
        return letter, (Attachment(name, _TSV, data),)
    expires_at = who.ctx.now + _FETCH_WITHIN
    url = _offer(who, name, data, expires_at)
    return OfficerInventory(who.officer.name, name, count, url, expires_at), ()


def _offer(who: Officered, name: str, data: bytes, expires_at: datetime) -> str:
    ctx, token = who.ctx, new_token(who.ctx.random)
    file = file_urls.KeptFile(inbox.keep_blob(ctx.session, data), name, who.institution.id)
    file_urls.create_url(ctx.session, file, token, ctx.now, expires_at)
    return f"{ctx.desk.public_url}/f/{token}"


def _rows(who: Officered) -> Iterator[InventoryRow]:
    for found in inventory.stream_rows(who.ctx.session, who.institution.id):
        yield _row(found)


def _row(found: inventory.Found) -> InventoryRow:
    application, entry = found.application, found.entry
    return InventoryRow(
        number=application.number,
        kind=application.kind,
        received_at=application.received_at,
        subject_dn=entry.subject_dn,
        profile_id=entry.profile_id,
        old_serial=entry.old_serial,
        csr=entry.csr,
        fqdn=entry.fqdn,
        dns_names=tuple(entry.dns_names.split("\n")),
        officers=found.officers,
        application_state=application.state,
        state=entry.state,
        contact_name=entry.contact_name,
        contact_department=entry.contact_department,
        contact_mail=entry.contact_mail,
        software=entry.software,
        approved_at=found.approved_at,
        failure=entry.failure,
        certificate=_issued(found, found.certificate) if found.certificate else None,
        revocation=_revocation(found, found.revocation) if found.revocation else None,
    )


def _issued(found: inventory.Found, certificate: Certificate) -> Issued:
    return Issued(
        serial=certificate.serial,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        der=certificate.der,
        issued_at=certificate.issued_at,
        downloaded_at=certificate.downloaded_at,
        revoked_at=certificate.revoked_at,
        is_renewed=found.is_renewed,
        url_until=found.url_until,
    )


def _revocation(found: inventory.Found, entry: Entry) -> Revocation:
    assert found.revocation_received_at is not None, "a row belongs to an application"
    return Revocation(entry.number, found.revocation_received_at, entry.reason, entry.comment)


def list_statistics(who: Officered) -> tuple[OfficerStatistics, tuple[Attachment, ...]]:
    """Counts by profile and month."""
    counted = (
        statistics.Counted(*facts) for facts in inventory.stream_issued(who.ctx.session, who.institution.id)
    )
    lines = statistics.count_certificates(counted, who.ctx.now, who.ctx.desk.utc_offset_hours)
    letter = OfficerStatistics(who.officer.name, statistics.FILE_NAME, who.ctx.now, lines)
    return letter, (Attachment(statistics.FILE_NAME, _TSV, statistics.render_statistics(lines)),)


def list_allowed(who: Officered) -> tuple[OfficerAllowlist, tuple[Attachment, ...]]:
    """The domains and OUs of the officer's institution, from the register."""
    institution = who.institution
    today = local_day(who.ctx.now, who.ctx.desk.utc_offset_hours)
    letter = OfficerAllowlist(
        officer_name=who.officer.name,
        file_name=allowlist_tsv.FILE_NAME,
        organization=institution.organization,
        domains=tuple(
            AllowedDomain(d.name, d.vetted_until, allowlist_tsv.is_usable(institution, d, today))
            for d in institution.domains
        ),
        units=institution.organizational_units if institution.ou_policy == "allowlist" else (),
    )
    data = allowlist_tsv.render_allowlist(institution, today)
    return letter, (Attachment(allowlist_tsv.FILE_NAME, _TSV, data),)
