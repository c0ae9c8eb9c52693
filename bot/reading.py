"""Raw bytes -> a mail with its signature verified: all facts a handler may rely on are established here."""

from dataclasses import dataclass, replace
from datetime import datetime

from bot.mime.read import read_mail
from bot.mime.signed import SignedEntity, find_signed, read_inline_content, read_signed_content
from bot.openpgp.keys import OfficerKeys, Verified
from handlers.incoming import IncomingMail, MailKey, Scheme, Signature, SignedContent
from handlers.rules.identity import sender_fault
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer, Register


@dataclass(frozen=True)
class Reader:
    """Reads mails against one state of the register; a reload makes a new Reader."""

    register: Register
    keys: OfficerKeys
    authserv_id: str | None

    def read(self, raw: bytes, key: MailKey, received_at: datetime) -> IncomingMail:
        """Never refuses: what is wrong with the mail or its signature is part of the value."""
        mail = read_mail(raw, key, received_at, authserv_id=self.authserv_id)
        if mail.fault is not None or mail.signature_fault is not None:
            return mail
        entity = find_signed(raw)
        if entity is None:
            return mail
        if isinstance(entity, Reason):
            return replace(mail, signature_fault=entity)
        return self._with_signature(replace(mail, signature_scheme=entity.scheme), entity)

    def _with_signature(self, mail: IncomingMail, entity: SignedEntity) -> IncomingMail:
        if entity.scheme is not Scheme.OPENPGP:
            return replace(mail, signature_fault=Reason.SCHEME_NOT_SERVED)
        verified = self._verify(entity, mail.received_at)
        if isinstance(verified, Reason):
            return replace(mail, signature_fault=verified)
        owner = self.register.officer_with_key(verified.fingerprint)
        if owner is None:
            return replace(mail, signature_fault=Reason.UNKNOWN_KEY)
        refused = replace(mail, refused_key=verified.fingerprint)
        content = self._content(entity, verified, owner[1])
        if isinstance(content, Reason):
            return replace(refused, signature_fault=content)
        if fault := sender_fault(owner[1], mail.sender, content.sender):
            return replace(refused, signature_fault=fault)
        return replace(mail, signature=_signature(verified, content, *owner))

    def _verify(self, entity: SignedEntity, received_at: datetime) -> Verified | Reason:
        if entity.inline:
            return self.keys.verify_inline(entity.signed_bytes, received_at)
        return self.keys.verify_detached(entity.signed_bytes, entity.signature, received_at)

    def _content(self, entity: SignedEntity, verified: Verified, officer: Officer) -> SignedContent | Reason:
        if not entity.inline:
            return read_signed_content(entity)
        if not officer.inline_openpgp:
            return Reason.INLINE_NOT_ALLOWED
        return read_inline_content(entity, verified.output or b"")


def _signature(
    verified: Verified, content: SignedContent, institution: Institution, officer: Officer
) -> Signature:
    return Signature(
        scheme=Scheme.OPENPGP,
        fingerprint=verified.fingerprint,
        institution=institution.id,
        officer=officer.id,
        signed_at=verified.signed_at,
        content=content,
    )
