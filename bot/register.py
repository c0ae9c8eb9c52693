"""Reads the register, one TOML file for each institution: all of it is taken, or all its faults are told."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.toml_file import Fault, TomlFault, decode_toml, line_of, parse_toml, read_toml
from handlers.rules.register import Institution, Register


class RegisterFault(TomlFault):
    """A register that cannot be taken: the one in force stays in force."""


@dataclass(frozen=True)
class _File:
    path: Path
    text: str
    institution: Institution

    def fault(self, loc: tuple[int | str, ...], where: str, message: str) -> Fault:
        return Fault(self.path, line_of(self.text, loc), where, message)


def load_register(directory: Path) -> Register:
    """All institutions in `directory`, each from `<id>.toml`. Raises RegisterFault with every fault.

    Two institutions may have one domain: an application for it fits several and is refused (mail-protocol 1).
    """
    # a name with a dot in front is an editor's lock or a half-made copy
    paths = sorted(path for path in directory.glob("*.toml") if not path.name.startswith("."))
    faults: list[Fault] = []
    files: list[_File] = []
    for path in paths:
        try:
            files.append(_read_file(path))
        except TomlFault as fault:
            faults += fault.faults
    if not paths:
        faults.append(Fault(directory, None, "", "holds no institution (no file *.toml)"))
    for file in files:
        faults += _institution_faults(file)
    faults += _keys_pinned_twice(files)
    if faults:
        raise RegisterFault(faults)
    return _register([file.institution for file in files])


def _read_file(path: Path) -> _File:
    raw = read_toml(path)
    institution = parse_toml(path, raw, Institution, id=path.stem, digest=hashlib.sha256(raw).hexdigest())
    return _File(path, decode_toml(path, raw), institution)


def _register(institutions: list[Institution]) -> Register:
    by_id = {institution.id: institution for institution in sorted(institutions, key=lambda i: i.id)}
    lines = "".join(f"{institution.id} {institution.digest}\n" for institution in by_id.values())
    return Register(by_id, hashlib.sha256(lines.encode()).hexdigest())


def _institution_faults(file: _File) -> Iterator[Fault]:
    institution = file.institution
    able = sum(1 for officer in institution.officers if officer.openpgp)
    if not able:
        yield file.fault(("officers",), "officers", "none has a key: nobody could approve anything")
    elif institution.policy.approvals > able:
        message = f"{institution.policy.approvals} approvals, but {able} officer(s) with a key"
        yield file.fault(("policy", "approvals"), "policy.approvals", message)
    seen: set[str] = set()
    for index, domain in enumerate(institution.domains):
        # two rows of one name could differ in vetted_until
        if domain.name in seen:
            where = f"domains[{index}].name"
            yield file.fault(("domains", index, "name"), where, f"{domain.name} stands twice")
        seen.add(domain.name)


def _keys_pinned_twice(files: list[_File]) -> Iterator[Fault]:
    owners: dict[str, str] = {}
    for file in files:
        for index, officer in enumerate(file.institution.officers):
            owner = f"{officer.id} of {file.institution.id}"
            for place, key in enumerate(officer.openpgp):
                if key.fingerprint in owners:
                    loc = ("officers", index, "openpgp", place, "fingerprint")
                    where = f"officers[{index}].openpgp[{place}].fingerprint"
                    message = f"{key.fingerprint} is pinned already, for {owners[key.fingerprint]}"
                    yield file.fault(loc, where, message)
                owners.setdefault(key.fingerprint, owner)
