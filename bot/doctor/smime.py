"""The doctor's look at S/MIME: the roots, our own certificate, the officers', the revocation lists."""

import shutil
import tempfile
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from bot.certificate_ends import read_certificate_ends
from bot.config import SecretFault, Smime
from bot.doctor.finding import Finding, Site, unused
from bot.doctor.keys import SOON
from bot.register import load_register
from bot.smime.crl_files import CrlFiles, is_signed_by
from bot.smime.fetch import fetch_crls
from bot.smime.keys import SmimeKeys
from bot.smime.pins import read_certificates
from bot.smime.sign import BotCertificate, SigningFault, open_bot_certificate
from bot.toml_file import TomlFault
from handlers.rules.register import Register
from handlers.rules.scheme import Scheme

_PART = "S/MIME"


def examine_smime(site: Site) -> Iterator[Finding]:
    """Everything in [smime] that a mail could stumble over."""
    settings = site.config.smime
    if settings is None:
        yield unused(_PART, "smime")
        return
    yield from _examine_roots(site, settings)
    try:
        register = load_register(site.config.register_dir, site.config.schemes)
    except TomlFault:
        register = None
        yield Finding(
            _PART, False, "officers: not examined: the register can't be read", "mend the register first"
        )
    yield from _examine_own(site, settings, register)
    if register is not None:
        yield from _examine_officers(site, settings, register)


def _examine_roots(site: Site, settings: Smime) -> Iterator[Finding]:
    mend = (
        f"put the roots that vouch for the officers into it, in PEM, or correct smime.ca_file in {site.path}"
    )
    try:
        roots = x509.load_pem_x509_certificates(settings.ca_file.read_bytes())
    except OSError as error:
        yield Finding(_PART, False, f"{settings.ca_file}: {error.strerror}", mend)
        return
    except ValueError:
        yield Finding(_PART, False, f"{settings.ca_file} holds no certificate in PEM", mend)
        return
    for root in roots:
        name = root.subject.rfc4514_string()
        if root.not_valid_after_utc < site.now:
            what = f"the root {name} ended on {root.not_valid_after_utc:%Y-%m-%d}: nothing below it counts"
            yield Finding(_PART, False, what, f"replace it in {settings.ca_file}")
        elif root.not_valid_after_utc < site.now + SOON:
            what = f"the root {name} ends on {root.not_valid_after_utc:%Y-%m-%d}"
            yield Finding(_PART, True, what, f"add its successor to {settings.ca_file}")
    yield Finding(_PART, True, f"{len(roots)} root(s) in {settings.ca_file}")


def _examine_own(site: Site, settings: Smime, register: Register | None) -> Iterator[Finding]:
    """The certificate that our mails are signed with, as a mail program would judge it."""
    mend = f"correct smime.certificate, key, chain and passphrase_file in {site.path}"
    try:
        own = open_bot_certificate(settings)
        if own is not None:
            own.sign_detached(b"ringi check\r\n")
    except (SigningFault, SecretFault) as fault:
        yield Finding(_PART, False, str(fault), mend)
        return
    if own is None:
        readers = _count(register) if register else 0
        what = f"no certificate of our own: {readers} officer(s) who use S/MIME, and applicants, get unsigned mails"
        yield Finding(
            _PART, True, what, f"name one in smime.certificate and smime.key of {site.path}, for e-mail"
        )
        return
    faults = list(_own_faults(own, site.config.address, site.now))
    for wrong in faults:
        what = f"{settings.certificate} {wrong}: mail programs would call our mails bad"
        yield Finding(
            _PART, False, what, f"have a certificate issued for {site.config.address}, and name it there"
        )
    ends = own.certificate.not_valid_after_utc
    if not faults and ends < site.now + SOON:
        yield Finding(
            _PART, True, f"our certificate ends on {ends:%Y-%m-%d}", f"renew {settings.certificate}"
        )
    elif not faults:
        yield Finding(_PART, True, f"our mails are signed by {own.certificate.subject.rfc4514_string()}")


def _own_faults(own: BotCertificate, address: str, now: datetime) -> Iterator[str]:
    """RFC 8550 3 and 4.4: whose it is, for what, from when until when."""
    certificate = own.certificate
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        yield f"is good from {begin:%Y-%m-%d} to {end:%Y-%m-%d}"
    extensions = certificate.extensions
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        any_purpose = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
        if ExtendedKeyUsageOID.EMAIL_PROTECTION not in purposes and any_purpose not in purposes:
            yield "is not made for e-mail (emailProtection)"
    except x509.ExtensionNotFound:
        pass
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.digital_signature and not usage.content_commitment:
            yield "may not sign (keyUsage)"
    except x509.ExtensionNotFound:
        pass
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = names.get_values_for_type(x509.RFC822Name)
    except x509.ExtensionNotFound:
        addresses = []
    subject = certificate.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS)
    if address not in {str(one).lower() for one in (*addresses, *(name.value for name in subject))}:
        yield f"does not name {address}"


def _examine_officers(site: Site, settings: Smime, register: Register) -> Iterator[Finding]:
    folder = site.config.register_dir
    try:
        keys = SmimeKeys.load(register, folder, settings)
    except TomlFault as refused:
        for one in refused.faults:
            mend = f"put the officer's certificate into {one.path}, with the CAs above it if you like"
            yield Finding(_PART, False, str(one), mend)
        return
    for one in keys.warnings:
        mend = f"ask {one.where} for the renewed certificate and put it into {one.path}"
        yield Finding(_PART, False, f"{one}: nothing signed with it counts", mend)
    soon = list(_ending(site, register))
    yield from soon
    if not keys.warnings and not soon:
        yield Finding(_PART, True, f"{_count(register)} officers' certificate(s), all can sign")
    yield from _examine_lists(site, settings, keys, _issuers(register, site))


def _ending(site: Site, register: Register) -> Iterator[Finding]:
    for state in read_certificate_ends(register, site.config.register_dir):
        owner = register.officer_with_key(Scheme.SMIME, state.fingerprint)
        if owner and state.ends_at and site.now <= state.ends_at < site.now + SOON:
            what = f"the certificate of {owner[1].id} of {owner[0].id} ends on {state.ends_at:%Y-%m-%d}"
            mend = f"ask {owner[1].name} to renew it, and put the new one into {site.config.register_dir}"
            yield Finding(_PART, True, what, mend)


def _examine_lists(
    site: Site, settings: Smime, keys: SmimeKeys, used: Collection[x509.Name]
) -> Iterator[Finding]:
    """Each source gives a list that is fresh, and each CA that we know above the officers has one."""
    is_needed = settings.crl == "require"
    with tempfile.TemporaryDirectory(prefix="ringi-check-") as place:
        # fetched anew, and not into the service's own directory
        trial = settings.model_copy(update={"crl_dir": Path(place)})
        for fault in fetch_crls(trial, site.now, keys.issuers):
            mend = f"correct smime.crl_sources in {site.path}"
            yield Finding(_PART, not is_needed, f"revocation list: {fault}", mend)
        for kept in settings.crl_dir.glob("*.crl"):
            if not (Path(place) / kept.name).exists():
                shutil.copy(kept, place)
        lists = CrlFiles(Path(place))
        lacking = [ca for ca in keys.issuers if not _has_list(ca, lists, site.now)]
    for ca in lacking:
        what = f"no fresh revocation list of {ca.subject.rfc4514_string()}: mails signed by its people wait"
        mend = f"name where it is published in smime.crl_sources of {site.path}"
        # a root may stand there for people who are still to come
        yield Finding(_PART, not is_needed or ca.subject not in used, what, mend)
    if not lacking:
        yield Finding(_PART, True, f"{len(keys.issuers)} CA(s), each with a fresh revocation list")


def _issuers(register: Register, site: Site) -> set[x509.Name]:
    """Who signed the certificates in the register's files."""
    officers = (officer for i in register.institutions.values() for officer in i.officers)
    files = {site.config.register_dir / pin.file for officer in officers for pin in officer.smime}
    return {one.loaded.issuer for path in files for one in read_certificates(path.read_bytes())}


def _has_list(ca: x509.Certificate, lists: CrlFiles, now: datetime) -> bool:
    found = (crl for crl in lists.lists() if is_signed_by(crl, ca))
    return any(crl.next_update_utc is not None and now <= crl.next_update_utc for crl in found)


def _count(register: Register) -> int:
    return sum(len(o.smime) for i in register.institutions.values() for o in i.officers)
