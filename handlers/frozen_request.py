"""What a row of a new or renewed certificate asks for, derived anew from the bytes whose digest the officers signed,
and compared with what the store says field by field (threats AP1, 'frozen')."""

from handlers.context import Context
from handlers.frozen import Frozen
from handlers.rules.checks import IssueRules, ServerRequest
from handlers.rules.derived import derive_request
from handlers.rules.register import Institution
from store.tables import Application, Entry


def rules_of(ctx: Context, application: Application, institution: Institution) -> IssueRules:
    return IssueRules(institution, ctx.desk.profiles, ctx.desk.strict_jisx0208, kind=application.kind)


def frozen_request(frozen: Frozen | None, entry: Entry, rules: IssueRules) -> ServerRequest | None:
    """The row's request, derived from its approved bytes; None unless everything stored still agrees with them."""
    row = frozen.row(entry) if frozen else None
    request = derive_request(row, rules) if row else None
    return request if request is not None and _stored_fields(entry) == _derived_fields(request) else None


def _stored_fields(entry: Entry) -> tuple[object, ...]:
    return (
        entry.subject_dn,
        entry.fqdn,
        entry.dns_names,
        entry.profile_id,
        entry.csr,
        entry.public_key_sha256,
        entry.contact_name,
        entry.contact_department,
        entry.contact_mail,
        entry.software,
        entry.old_serial,
        entry.match_key,
        entry.public_key,
        entry.reason,
        entry.comment,
    )


def _derived_fields(request: ServerRequest) -> tuple[object, ...]:
    return (
        request.subject_dn.text(),
        request.fqdn,
        "\n".join(request.dns_names),
        request.profile.id,
        request.csr_der,
        request.public_key_sha256,
        request.contact_name,
        request.contact_department,
        request.contact_mail,
        request.software,
        None if request.old_serial is None else str(request.old_serial),
        request.subject_dn.match_key(),
        request.public_key,
        None,
        "",
    )
