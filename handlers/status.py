"""状況: where an application, a certificate, a name, or everything open stands (manual 1-4, 主な利用用途)."""

import base64
import json
import re
from collections.abc import Sequence

from handlers.context import Context
from handlers.incoming import Attachment
from handlers.letters.lookup import (
    OfficerStatus,
    Standing,
    StatusApplication,
    StatusCertificate,
    StatusDecision,
    StatusRow,
)
from handlers.officer_answer import Officered
from handlers.views import dn_lines, last_day
from store import applications, inventory
from store.tables import Application, Certificate, Entry

_NUMBER = re.compile(r"A-\d{8}-\d{4,9}", re.I | re.A)
_SERIAL = re.compile(r"\d{1,32}", re.A)
_MOST = 50  # applications or certificates in one mail; 一覧 brings all


def look_up(who: Officered, about: str) -> tuple[OfficerStatus, tuple[Attachment, ...]] | None:
    """Of the officer's institution only; None if nothing of it is known by `about`. A serial brings two files."""
    session, institution = who.ctx.session, who.institution.id
    if not about:
        found = inventory.open_applications(session, institution, who.ctx.now, _MOST + 1)
        return _letter(who, about, found, ()), ()
    if _NUMBER.fullmatch(about):
        application = inventory.application_of(session, institution, about.upper())
        if application is None:
            return None
        certificates = inventory.certificates_of(session, application)
        return _letter(who, about, (application,), certificates), ()
    if _SERIAL.fullmatch(about):
        certificate = inventory.certificate_with(session, institution, str(int(about)))
        if certificate is None:
            return None
        return _letter(who, about, (), (certificate,), has_files=True), _files(certificate)
    return _look_up_name(who, about)


def _look_up_name(who: Officered, about: str) -> tuple[OfficerStatus, tuple[Attachment, ...]] | None:
    session, institution, fqdn = who.ctx.session, who.institution.id, about.lower()
    found = inventory.applications_for(session, institution, fqdn, _MOST + 1)
    certificates = inventory.certificates_for(session, institution, fqdn, _MOST + 1)
    return (_letter(who, about, found, certificates), ()) if found else None


def _letter(
    who: Officered,
    about: str,
    found: Sequence[Application],
    certificates: Sequence[Certificate],
    *,
    has_files: bool = False,
) -> OfficerStatus:
    return OfficerStatus(
        officer_name=who.officer.name,
        about=about,
        applications=tuple(_application(who.ctx, application) for application in found[:_MOST]),
        certificates=tuple(_certificate(who.ctx, certificate) for certificate in certificates[:_MOST]),
        is_cut=max(len(found), len(certificates)) > _MOST,
        has_files=has_files,
    )


def _application(ctx: Context, application: Application) -> StatusApplication:
    serials = {c.entry_id: int(c.serial) for c in inventory.certificates_of(ctx.session, application)}
    decisions = applications.decisions_on(ctx.session, application.number)
    return StatusApplication(
        number=application.number,
        kind=application.kind,
        state=application.state,
        sender=application.sender,
        received_at=application.received_at,
        deadline=last_day(ctx, application),
        entries=tuple(
            StatusRow(entry.seq, entry.fqdn, entry.state, serials.get(entry.id, _old_serial(entry)))
            for entry in application.entries
        ),
        decisions=tuple(
            StatusDecision(d.officer, d.verb, tuple(json.loads(d.rows)), d.comment, d.decided_at)
            for d in decisions
        ),
    )


def _old_serial(entry: Entry) -> int | None:
    return int(entry.old_serial) if entry.old_serial and entry.csr is None else None


def _certificate(ctx: Context, certificate: Certificate) -> StatusCertificate:
    entry = certificate.entry
    return StatusCertificate(
        serial=int(certificate.serial),
        dn=dn_lines(entry.subject_dn),
        number=entry.number,
        seq=entry.seq,
        standing=standing_of(ctx, certificate),
        profile_id=entry.profile_id,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        issued_at=certificate.issued_at,
        downloaded_at=certificate.downloaded_at,
        revoked_at=certificate.revoked_at,
        contact_name=entry.contact_name,
        contact_department=entry.contact_department,
        contact_mail=entry.contact_mail,
        software=entry.software,
    )


def standing_of(ctx: Context, certificate: Certificate) -> Standing:
    if certificate.revoked_at is not None:
        return Standing.REVOKED
    if certificate.not_after < ctx.now:
        return Standing.EXPIRED
    return Standing.RENEWED if inventory.is_renewed(ctx.session, certificate) else Standing.VALID


def _files(certificate: Certificate) -> tuple[Attachment, ...]:
    """Certificate and CSR as PEM (manual 1-4, use 3)."""
    assert certificate.der is not None
    name, csr = certificate.entry.fqdn.replace("*", "_"), certificate.entry.csr
    files = [Attachment(f"{name}.pem", "application/x-pem-file", _pem("CERTIFICATE", certificate.der))]
    if csr is not None:
        files.append(Attachment(f"{name}.csr", "application/pkcs10", _pem("CERTIFICATE REQUEST", csr)))
    return tuple(files)


def _pem(label: str, der: bytes) -> bytes:
    """RFC 7468 2: lines of 64."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")
