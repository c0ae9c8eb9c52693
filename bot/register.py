"""Reads the register, one TOML file for each institution: all of it is taken, or all its faults are told."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.toml_file import Fault, TomlFault, decode_toml, line_of, parse_toml, read_toml
from handlers.rules.key_ends import Shortage
from handlers.rules.policy import could_be_done
from handlers.rules.register import Institution, Register
from handlers.rules.scheme import Scheme
from store.states import Kind


class RegisterFault(TomlFault):
    """A register that cannot be taken: the one in force stays in force."""


@dataclass(frozen=True)
class _File:
    path: Path
    text: str
    institution: Institution

    def fault(self, loc: tuple[int | str, ...], where: str, message: str) -> Fault:
        return Fault(self.path, line_of(self.text, loc), where, message)


def load_register(directory: Path, served: Collection[Scheme] = tuple(Scheme)) -> Register:
    """All institutions in `directory`, each from `<id>.toml`. Raises RegisterFault with every fault.

    `served`: the systems of the configuration; a key of another one could never count, and is a fault.
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
        faults += _unserved_keys(file, served)
    faults += _keys_pinned_twice(files)
    if faults:
        raise RegisterFault(faults)
    return _register([file.institution for file in files])


def shortage_fault(directory: Path, institution: Institution, shortage: Shortage) -> Fault:
    """In words: who of this institution can sign now, and that it is too few."""
    path = directory / f"{institution.id}.toml"
    policies = ", ".join(institution.policies[place].name for place in shortage.policies)
    who = f"only {', '.join(shortage.able)} can sign" if shortage.able else "no officer can sign"
    message = (
        f"{who} today, too few for the policy {policies or '-'}: the other keys are expired, revoked, outside "
        "since/until, or of a system that is not served. Pin keys that are good, or set active = false"
    )
    return Fault(path, None, "officers", message)


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
    able = [officer for officer in institution.officers if officer.scheme]
    if not able:
        yield file.fault(("officers",), "officers", "none has a key: nobody could approve anything")
    for index, policy in enumerate(institution.policies):
        if able and not could_be_done(policy, able):
            message = "asks for more officers, or for other roles, than there are officers with a key"
            yield file.fault(("policies", index), f"policies[{index}]", message)
    yield from _policy_faults(file)
    seen: set[str] = set()
    for index, domain in enumerate(institution.domains):
        # two rows of one name could differ in vetted_until
        if domain.name in seen:
            where = f"domains[{index}].name"
            yield file.fault(("domains", index, "name"), where, f"{domain.name} stands twice")
        seen.add(domain.name)


def _policy_faults(file: _File) -> Iterator[Fault]:
    """What an operator can't have meant: a policy that never holds, two by one name, two ways to count in one."""
    taken: dict[Kind, str] = {}
    names: set[str] = set()
    for index, policy in enumerate(file.institution.policies):
        where = f"policies[{index}]"
        if policy.name in names:
            yield file.fault(("policies", index), where, f"two policies are called {policy.name}")
        if policy.steps and "approvals" in policy.model_fields_set:
            yield file.fault(("policies", index), where, "give approvals or steps, not both")
        shadowed = [kind for kind in policy.kinds if kind in taken]
        if len(shadowed) == len(policy.kinds):
            message = f"never holds: {', '.join(f'{k} has {taken[k]}' for k in shadowed)} already"
            yield file.fault(("policies", index), where, message)
        names.add(policy.name)
        taken = {kind: policy.name for kind in policy.kinds} | taken


def _unserved_keys(file: _File, served: Collection[Scheme]) -> Iterator[Fault]:
    for index, officer in enumerate(file.institution.officers):
        pins = {Scheme.OPENPGP: officer.openpgp, Scheme.SMIME: officer.smime}
        for scheme in Scheme:
            if pins[scheme] and scheme not in served:
                where = f"officers[{index}].{scheme.value}"
                message = (
                    f"{officer.id} has such a key, and the configuration no [{scheme.value}]: add it there"
                )
                yield file.fault(("officers", index, scheme.value), where, message)


def _keys_pinned_twice(files: list[_File]) -> Iterator[Fault]:
    owners: dict[str, str] = {}
    for file in files:
        for index, officer in enumerate(file.institution.officers):
            owner = f"{officer.id} of {file.institution.id}"
            pins = [("openpgp", i, "fingerprint", key.fingerprint) for i, key in enumerate(officer.openpgp)]
            pins += [("smime", i, "public_key", key.public_key) for i, key in enumerate(officer.smime)]
            for scheme, place, name, pin in pins:
                if pin in owners:
                    where = f"officers[{index}].{scheme}[{place}].{name}"
                    message = f"{pin} is pinned already, for {owners[pin]}"
                    yield file.fault(("officers", index, scheme, place, name), where, message)
                owners.setdefault(pin, owner)
