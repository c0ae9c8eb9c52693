"""The doctor, `ringi check`: examines every part by itself, and says what is wrong and how to mend it."""

from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from bot.compose.check import template_faults
from bot.config import load_config
from bot.doctor.alarms import examine_alarms
from bot.doctor.finding import Finding, Site, is_open_to_all
from bot.doctor.keys import SOON, examine_ca, examine_gpg, examine_officer_keys, examine_signing_key
from bot.doctor.officers import examine_officers
from bot.doctor.page import examine_url
from bot.doctor.probe import probe
from bot.doctor.servers import examine_imap, examine_smtp
from bot.doctor.signer import examine_signer
from bot.doctor.smime import examine_smime
from bot.doctor.store import examine_clock, examine_journal, examine_store
from bot.register import RegisterFault, load_register
from bot.toml_file import TomlFault
from handlers.rules.register import Domain, Register

__all__ = ["PARTS", "Finding", "check", "probe"]


def check(config_path: Path, *, now: datetime, only: Collection[str] = ()) -> list[Finding]:
    """Everything there is to say, in the order of PARTS. No exception: what can't be examined is a finding.

    A configuration that can't be read ends it; any other part that fails hides nothing. `only`: examine these
    parts alone.
    """
    try:
        config = load_config(config_path)
    except TomlFault as refused:
        if not config_path.exists():
            mend = "`ringi init` makes one, --config names another"
            return [Finding("config", False, f"{config_path} does not exist", mend)]
        mend = "correct it; config.example.toml explains every key"
        return [Finding("config", False, str(fault), mend) for fault in refused.faults]
    site = Site(config_path, config, now)
    wanted = [(part, examine) for part, examine in PARTS if not only or part in only]
    return [finding for part, examine in wanted for finding in _examine(part, examine, site)]


def _examine(part: str, examine: Callable[[Site], Iterator[Finding]], site: Site) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(examine(site))
    except OSError as error:
        mend = "see to the file's owner and mode, or run this as the service's user"
        findings.append(Finding(part, False, f"can't be examined: {error}", mend))
    return findings


def _examine_config(site: Site) -> Iterator[Finding]:
    if is_open_to_all(site.path, bits=0o002):
        what = f"{site.path} can be changed by everybody, and it names commands that we run"
        yield Finding("config", False, what, f"chmod o-w {site.path}")
    else:
        yield Finding("config", True, f"{site.path} is good")
    if not site.config.monitors:
        mend = f"name somebody in monitors of {site.path}"
        yield Finding("config", True, "nobody gets the daily digest and the alarms", mend)
    year = _today(site).year
    if not any(day.year == year for day in site.config.holidays):
        what = f"no holiday of {year} is known: only Saturdays and Sundays are no working days"
        yield Finding("config", True, what, f"enter the year's days in holidays of {site.path}")


def _examine_register(site: Site) -> Iterator[Finding]:
    """Every file, every domain's vetting."""
    folder = site.config.register_dir
    try:
        register = load_register(folder, site.config.schemes)
    except RegisterFault as refused:
        for fault in refused.faults:
            mend = f"correct {fault.path}"
            if fault.path == folder:
                mend = f"write one file for each institution there, or correct register_dir in {site.path}"
            yield Finding("register", False, str(fault), mend)
        return
    count = sum(len(institution.officers) for institution in register.institutions.values())
    what = f"{len(register.institutions)} institution(s), {count} officer(s), digest {register.digest[:16]}"
    yield Finding("register", True, what)
    today = _today(site)
    for institution in register.institutions.values():
        file = folder / f"{institution.id}.toml"
        if is_open_to_all(file, bits=0o002):
            yield Finding("register", False, f"{file} can be changed by everybody", f"chmod o-w {file}")
        for domain in institution.domains:
            if state := _vetting(domain, today):
                mend = f"vet it and enter vetted_until in {file}"
                yield Finding("register", True, f"{institution.id}: {domain.name} {state}", mend)
    yield from _shared_domains(register, folder)


def _shared_domains(register: Register, folder: Path) -> Iterator[Finding]:
    """Names that fit several institutions: no application for them is taken (mail-protocol 1)."""
    names = {domain.name for one in register.institutions.values() for domain in one.domains}
    for name in sorted(names):
        owners = [one.id for one in register.covering((name,))]
        if len(owners) > 1:
            what = f"{name} is a name of {' and of '.join(owners)}: applications for it are refused"
            yield Finding("register", True, what, f"leave the domain to one of them, in {folder}")


def _today(site: Site) -> date:
    return (site.now + timedelta(hours=site.config.utc_offset_hours)).date()


def _vetting(domain: Domain, today: date) -> str | None:
    """What is wrong with it, or will soon be."""
    last = domain.vetted_until
    if last is None:
        return "is not vetted: no application for it is taken"
    if last < today:
        return f"was vetted until {last}: no application for it is taken"
    return f"is vetted only until {last}" if last < today + SOON else None


def _examine_templates(site: Site) -> Iterator[Finding]:
    faults = template_faults(site.config.desk())
    for fault in faults:
        yield Finding("templates", False, fault, "install Ringi anew, or undo what was changed there")
    if not faults:
        yield Finding("templates", True, "every mail can be written, ja and en")


PARTS: tuple[tuple[str, Callable[[Site], Iterator[Finding]]], ...] = (
    ("config", _examine_config),
    ("register", _examine_register),
    ("store", examine_store),
    ("journal", examine_journal),
    ("alarms", examine_alarms),
    ("gpg", examine_gpg),
    ("officer keys", examine_officer_keys),
    ("signing key", examine_signing_key),
    ("S/MIME", examine_smime),
    ("officers", examine_officers),
    ("CA", examine_ca),
    ("signer", examine_signer),
    ("IMAP", examine_imap),
    ("SMTP", examine_smtp),
    ("templates", _examine_templates),
    ("clock", examine_clock),
    ("URL", examine_url),
)
