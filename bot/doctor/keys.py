"""The doctor's look at keys: gpg itself, the officers', the bot's own, the CA's; `bot.doctor.smime` at the rest."""

import os
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from bot.ca.local import LocalCa
from bot.ca.protocol import CaFault
from bot.config import SecretFault, read_passphrase
from bot.doctor.finding import Finding, Site, as_owner, foreign_owner, is_open_to_all, unused
from bot.openpgp.key_file import read_key_file
from bot.openpgp.keys import GpgFault, OfficerKeys, gpg_version
from bot.register import load_register
from bot.signer.client import SignerClient, socket_call
from bot.toml_file import TomlFault
from bot.wiring import open_bot_key
from handlers.rules.register import Register

SOON = timedelta(days=30)
_OLDEST_GPG = (2, 2)


def examine_gpg(site: Site) -> Iterator[Finding]:
    """The program, and whether it is new enough."""
    if site.config.openpgp is None:
        yield unused("gpg", "openpgp")
        return
    program = site.config.openpgp.gpg
    version = gpg_version(program)
    mend = f"apt-get install gnupg, or name the program in openpgp.gpg of {site.path}"
    if version is None:
        yield Finding("gpg", False, f"{program} is no GnuPG that runs", mend)
    elif tuple(int(n) for n in version.split(".")[:2] if n.isdigit()) < _OLDEST_GPG:
        yield Finding("gpg", False, f"{program} is GnuPG {version}, too old to be trusted", mend)
    else:
        yield Finding("gpg", True, f"GnuPG {version}")


def examine_officer_keys(site: Site) -> Iterator[Finding]:
    """Each pinned OpenPGP key: its file holds it and it alone, and it can sign, also a month from now."""
    part, settings = "officer keys", site.config.openpgp
    if settings is None:
        yield unused(part, "openpgp")
        return
    try:
        register = load_register(site.config.register_dir, site.config.schemes)
    except TomlFault:
        yield Finding(part, False, "not examined: the register can't be read", "mend the register first")
        return
    program = settings.gpg
    try:
        # a ring of our own: one that another user left in officers_home would stop the service
        with tempfile.TemporaryDirectory(prefix="ringi-check-") as home:
            lapsed = OfficerKeys.load(register, site.config.register_dir, Path(home), program).warnings
        soon = list(_ending_keys(register, site, program))
    except TomlFault as refused:
        for one in refused.faults:
            mend = f"put the officer's public key, and it alone, into {one.path}"
            yield Finding(part, False, str(one), mend)
        return
    except GpgFault as fault:
        yield Finding(part, False, str(fault), f"see that {program} runs and that the disk has room")
        return
    for one in lapsed:
        mend = f"ask {one.where} for the renewed key and put it into {one.path}"
        yield Finding(part, False, f"{one}: nothing signed with it counts", mend)
    yield from soon
    if not lapsed and not soon:
        yield Finding(part, True, f"{_count(register)} key(s), all can sign")


def examine_signing_key(site: Site) -> Iterator[Finding]:
    """The bot's OpenPGP key makes a signature now, and still will in a month."""
    part, settings = "signing key", site.config.openpgp
    if settings is None:
        yield unused(part, "openpgp")
        return
    if not settings.home.is_dir():
        mend = (
            f"name the gpg home of the bot's key in openpgp.home of {site.path}, or make both by `ringi init`"
        )
        yield Finding(part, False, f"{settings.home} does not exist", mend)
        return
    if owner := foreign_owner(settings.home):
        what = f"{settings.home} belongs to {owner}: gpg's agent, started by us, would lock the service out"
        yield Finding(part, False, what, as_owner(owner, site))
        return
    try:
        key = open_bot_key(settings)
        key.sign_detached(b"ringi check\r\n")
        ends = key.expires_at()
    except SecretFault as fault:
        yield Finding(part, False, str(fault), f"correct openpgp.passphrase_file in {site.path}")
        return
    except GpgFault as fault:
        mend = (
            f"correct openpgp.fingerprint in {site.path} (gpg --homedir {settings.home} --list-secret-keys), "
            "and openpgp.passphrase_file if the key has a passphrase"
        )
        yield Finding(part, False, str(fault), mend)
        return
    mend = (
        f"gpg --homedir {settings.home} --quick-set-expire {settings.fingerprint} 2y, and give it out again"
    )
    if ends is not None and ends < site.now + SOON:
        yield Finding(part, True, f"{settings.fingerprint} signs only until {ends:%Y-%m-%d}", mend)
    else:
        yield Finding(part, True, f"{settings.fingerprint} signs")


def examine_ca(site: Site) -> Iterator[Finding]:
    """Key, certificate and chain open; they outlive what they sign; the key is nobody else's."""
    settings = site.config.ca
    if not site.config.signer.start:
        yield from _exposed_key(site)
        yield from _examine_signer(site)
        return
    for path in (settings.key, settings.passphrase_file):
        if path and is_open_to_all(path, bits=0o004):
            yield Finding("CA", False, f"{path} can be read by everybody", f"chmod 600 {path}")
    try:
        passphrase = read_passphrase(settings)
        ca = LocalCa.open(settings, passphrase, now=site.now)
    except SecretFault as fault:
        yield Finding(
            "CA", False, str(fault), f"correct ca.passphrase_file (or ca.credential) in {site.path}"
        )
        return
    except CaFault as fault:
        yield Finding("CA", False, str(fault), f"the files are named in [ca] of {site.path}")
        return
    if passphrase is None and settings.key:
        mend = f"openssl pkcs8 -topk8 -v2 aes-256-cbc -in {settings.key}, and name its passphrase in ca.passphrase_file"
        yield Finding("CA", True, f"{settings.key} is not encrypted", mend)
    yield from _validity(site, ca)


def _exposed_key(site: Site) -> Iterator[Finding]:
    """Where the signer is a user of its own, its key must not be the desk's to read; root reads everything."""
    key = site.config.ca.key
    if key is None:
        return
    # a folder that is closed to us closes the key too
    if is_open_to_all(key, bits=0o004) if os.geteuid() == 0 else os.access(key, os.R_OK):
        what = f"{key} can be read by the desk's user: whoever takes over the desk has the CA"
        yield Finding("CA", False, what, f"chown ringi-signer: {key}; chmod 400 {key}")


def _examine_signer(site: Site) -> Iterator[Finding]:
    """It answers, and outlives what it signs."""
    settings = site.config.signer
    try:
        signer = SignerClient.open(socket_call(settings.socket, settings.timeout))
    except CaFault as fault:
        mend = f"start `ringi signer --config {site.path}` as its own user, or set signer.start = true"
        yield Finding("CA", False, str(fault), mend)
        return
    yield from _validity(site, signer)


def _validity(site: Site, ca: LocalCa | SignerClient) -> Iterator[Finding]:
    """A CA can't sign what outlives it: profiles stop long before its own last day."""
    for profile in site.config.profile:
        what = f"profile {profile.id} ({profile.days} days)"
        mend = f"renew {site.config.ca.certificate}, or shorten `days` of profile {profile.id} in {site.path}"
        if profile.not_after(site.now) > ca.not_after:
            yield Finding("CA", False, f"{what} outlives the CA ({ca.not_after:%Y-%m-%d}): not issued", mend)
        elif profile.not_after(site.now + SOON) > ca.not_after:
            yield Finding("CA", True, f"{what} will soon outlive the CA ({ca.not_after:%Y-%m-%d})", mend)
    name = x509.load_der_x509_certificate(ca.chain()[0]).subject.rfc4514_string()
    yield Finding("CA", True, f"{name} signs until {ca.not_after:%Y-%m-%d}")


def _ending_keys(register: Register, site: Site, gpg: str) -> Iterator[Finding]:
    """The officers' keys that can sign now, but in 30 days no more. Raises GpgFault."""
    for institution in register.institutions.values():
        for officer in institution.officers:
            for pin in officer.openpgp:
                path = site.config.register_dir / pin.file
                ends = _end_of(gpg, path, pin.fingerprint)
                if ends is not None and site.now <= ends < site.now + SOON:
                    what = f"the key of {officer.id} of {institution.id} signs only until {ends:%Y-%m-%d}"
                    mend = f"ask {officer.name} to renew it, and put the new file into {path}"
                    yield Finding("officer keys", True, what, mend)


def _end_of(gpg: str, path: Path, fingerprint: str) -> datetime | None:
    found = [key for key in read_key_file(gpg, path) if key.fingerprint == fingerprint and key.can_sign]
    return found[0].signs_until if found else None


def _count(register: Register) -> int:
    return sum(len(o.openpgp) for i in register.institutions.values() for o in i.officers)
