"""The three files an officer may ask for: certificates, counts, and what may be applied for (manual 1-4)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from handlers.context import Context
from handlers.download import new_token
from handlers.incoming import Attachment
from handlers.letters.lookup import AllowedDomain, OfficerAllowlist, OfficerInventory, OfficerStatistics
from handlers.officer_answer import Officered
from handlers.rules import allowlist_tsv, inventory_tsv, statistics
from handlers.rules.inventory_tsv import InventoryRow, Issued, Revocation
from handlers.rules.working_days import local_day
from store import file_urls, inventory
from store.tables import Certificate, Entry

MOST_ATTACHED = 5 << 20  # bytes before base64; larger mails are refused on their way
_FETCH_WITHIN = timedelta(days=7)
_TSV = "text/tab-separated-values"


def list_inventory(
    who: Officered, limit: int = MOST_ATTACHED
) -> tuple[OfficerInventory, tuple[Attachment, ...]]:
    """Every application and certificate: attached, or beyond `limit` bytes behind a one-time URL, where the file is
    made when it is fetched: here it would hold up every other mail, and the store would keep each for ever."""
    name = inventory_tsv.FILE_NAME
    data = _up_to(inventory_lines(who.ctx, who.institution.id), limit)
    if data is not None:
        count = data.count(b"\n") - 1
        letter = OfficerInventory(who.officer.name, name, count, url=None, expires_at=None)
        return letter, (Attachment(name, _TSV, data),)
    count = inventory.count_rows(who.ctx.session, who.institution.id)
    expires_at = who.ctx.now + _FETCH_WITHIN
    return OfficerInventory(who.officer.name, name, count, _offer(who, name, expires_at), expires_at), ()


def inventory_lines(ctx: Context, institution: str) -> Iterator[bytes]:
    """The file's lines, header first, in flat memory, as things stand now."""
    rows = map(_row, inventory.stream_rows(ctx.session, institution))
    return inventory_tsv.render_inventory(rows, ctx.desk.utc_offset_hours)


def _up_to(lines: Iterator[bytes], limit: int) -> bytes | None:
    """All of it, or None where it is longer: no more than that is made."""
    data = bytearray()
    for line in lines:
        data += line
        if len(data) > limit:
            return None
    return bytes(data)


def _offer(who: Officered, name: str, expires_at: datetime) -> str:
    ctx, token = who.ctx, new_token(who.ctx.random)
    file_urls.create_url(ctx.session, who.institution.id, name, token, ctx.now, expires_at)
    return f"{ctx.desk.public_url}/f/{token}"


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
