"""Raw bytes -> a mail with its signature verified: all facts a handler may rely on are established here."""

from dataclasses import dataclass, replace
from datetime import datetime

from bot.config import Config
from bot.mime.read import read_mail
from bot.mime.signed import SignedEntity, find_signed, put_content, read_inline_content, read_signed_content
from bot.openpgp.keys import OfficerKeys
from bot.smime.keys import SmimeKeys
from bot.verified import Verified
from handlers.incoming import IncomingMail, MailKey, Scheme, Signature, SignedContent
from handlers.rules.identity import sender_fault
from handlers.rules.reasons import Reason
from handlers.rules.register import Officer, Register
from handlers.rules.working_days import local_day


@dataclass(frozen=True)
class Reader:
    """Reads mails against one state of the register; a reload makes a new Reader.

    `openpgp`, `smime`: None where the configuration does not serve that system.
    """

    register: Register
    openpgp: OfficerKeys | None
    smime: SmimeKeys | None
    authserv_id: str | None
    utc_offset_hours: int

    def read(
        self, raw: bytes, key: MailKey, received_at: datetime, judged_at: datetime | None = None
    ) -> IncomingMail:
        """Never refuses: what is wrong with the mail or its signature is part of the value. Raises VerifierFault.

        `judged_at`: when the certificates and their revocation lists must be good; None: when the mail came. gpg
        judges keys by the clock always.
        """
        mail = read_mail(raw, key, received_at, authserv_id=self.authserv_id)
        if mail.fault is not None or mail.signature_fault is not None:
            return mail
        entity = find_signed(raw)
        if entity is None:
            return mail
        if isinstance(entity, Reason):
            return replace(mail, signature_fault=entity)
        mail = replace(mail, signature_scheme=entity.scheme)
        return self._with_signature(mail, entity, judged_at or received_at)

    def _with_signature(self, mail: IncomingMail, entity: SignedEntity, judged_at: datetime) -> IncomingMail:
        if entity.scheme is Scheme.SMIME:
            verified = self._verify_smime(entity, judged_at)
        else:
            verified = self._verify_openpgp(entity, mail.received_at)
        if isinstance(verified, Reason):
            return replace(mail, signature_fault=verified)
        owner = self.register.officer_with_key(entity.scheme, verified.fingerprint)
        if owner is None:
            return replace(mail, signature_fault=Reason.UNKNOWN_KEY)
        institution, officer = owner
        refused = replace(mail, refused_key=verified.fingerprint)
        if fault := self._pin_fault(officer, entity.scheme, verified.fingerprint, mail.received_at):
            return replace(refused, signature_fault=fault)
        content = _content(entity, verified, officer)
        if isinstance(content, Reason):
            return replace(refused, signature_fault=content)
        if fault := sender_fault(officer, mail.sender, content.sender):
            return replace(refused, signature_fault=fault)
        signature = Signature(
            scheme=entity.scheme,
            fingerprint=verified.fingerprint,
            institution=institution.id,
            officer=officer.id,
            signed_at=verified.signed_at,
            content=content,
            status=verified.status,
            materials=verified.materials,
        )
        return replace(mail, signature=signature)

    def _verify_openpgp(self, entity: SignedEntity, received_at: datetime) -> Verified | Reason:
        if self.openpgp is None:
            return Reason.SCHEME_NOT_SERVED
        if entity.inline:
            return self.openpgp.verify_inline(entity.signed_bytes, received_at)
        return self.openpgp.verify_detached(entity.signed_bytes, entity.signature, received_at)

    def _verify_smime(self, entity: SignedEntity, judged_at: datetime) -> Verified | Reason:
        if self.smime is None:
            return Reason.SCHEME_NOT_SERVED
        if entity.is_opaque:
            return self.smime.verify_opaque(entity.signature, judged_at)
        return self.smime.verify_detached(entity.signed_bytes, entity.signature, judged_at)

    def _pin_fault(
        self, officer: Officer, scheme: Scheme, fingerprint: str, received_at: datetime
    ) -> Reason | None:
        """Whether the register lets this key sign on the day on which the mail came."""
        pin, day = officer.pin(scheme, fingerprint), local_day(received_at, self.utc_offset_hours)
        if pin is None or pin.serves_on(day):
            return None
        return Reason.KEY_RETIRED if pin.until is not None and pin.until < day else Reason.KEY_NOT_YET


def open_reader(config: Config, register: Register) -> Reader:
    """The officers' keys opened for each system that the configuration serves. Raises TomlFault, VerifierFault."""
    openpgp, smime, directory = config.openpgp, config.smime, config.register_dir
    return Reader(
        register=register,
        openpgp=OfficerKeys.load(register, directory, openpgp.officers_home, openpgp.gpg)
        if openpgp
        else None,
        smime=SmimeKeys.load(register, directory, smime) if smime else None,
        authserv_id=config.imap.authserv_id,
        utc_offset_hours=config.utc_offset_hours,
    )


def _content(entity: SignedEntity, verified: Verified, officer: Officer) -> SignedContent | Reason:
    if entity.inline:
        if not officer.inline_openpgp:
            return Reason.INLINE_NOT_ALLOWED
        return read_inline_content(entity, verified.output or b"")
    if entity.is_opaque:
        filled = put_content(entity, verified.output or b"")
        return filled if isinstance(filled, Reason) else read_signed_content(filled)
    return read_signed_content(entity)
