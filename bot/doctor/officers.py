"""The doctor's look at who can approve: each institution's officers and the keys they can sign with today."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bot.certificate_ends import read_certificate_ends
from bot.doctor.finding import Finding, Site
from bot.openpgp.keys import GpgFault, OfficerKeys
from bot.register import load_register, shortage_fault
from bot.toml_file import TomlFault
from handlers.rules.key_ends import KeyState, find_shortage, officer_keys
from handlers.rules.register import Register

_PART = "officers"


def examine_officers(site: Site) -> Iterator[Finding]:
    """Whether the officers whose keys can sign now could fulfil every policy of their institution."""
    folder = site.config.register_dir
    try:
        register = load_register(folder, site.config.schemes)
        states = (*_openpgp_states(site, register), *read_certificate_ends(register, folder))
    except (TomlFault, GpgFault):
        what = "not examined: the register or a key in it can't be read"
        yield Finding(_PART, False, what, "mend the register and the officer keys first")
        return
    keys = officer_keys(register, states, site.config.utc_offset_hours)
    institutions = register.institutions
    found = [find_shortage(institution, keys, site.now) for institution in institutions.values()]
    short = [shortage for shortage in found if shortage]
    for shortage in short:
        fault = shortage_fault(folder, institutions[shortage.institution], shortage)
        what = f"{shortage.institution}: {fault.message.partition(':')[0]}: its applications wait"
        mend = f"pin keys that are good in {fault.path}, or set active = false there; then reload (SIGHUP)"
        yield Finding(_PART, False, what, mend)
    if not short:
        yield Finding(_PART, True, "every institution has officers who can approve today")


def _openpgp_states(site: Site, register: Register) -> tuple[KeyState, ...]:
    if site.config.openpgp is None:
        return ()
    # a ring of our own: one that another user left in officers_home would stop the service
    with tempfile.TemporaryDirectory(prefix="ringi-check-") as home:
        loaded = OfficerKeys.load(register, site.config.register_dir, Path(home), site.config.openpgp.gpg)
        return tuple(loaded.states)
