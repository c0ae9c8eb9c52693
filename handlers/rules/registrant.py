"""Whether WHOIS still shows the registrant that the CA vetted (manual 1-1-4 step 5, the two WHOIS errors)."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from handlers.rules.register import Domain, Institution
from handlers.rules.row_errors import Code, RowError, row_error


@dataclass(frozen=True)
class WhoisFact:
    """What WHOIS says of a domain now: every organisation and registrant it names, () for one nobody holds.

    `names` None: no answer was had.
    """

    names: tuple[str, ...] | None


UNREACHABLE = WhoisFact(None)
WhoisFacts = Mapping[str, WhoisFact]  # by the registered domain's name


def matches(registered: str, names: tuple[str, ...]) -> bool:
    """Whether one of `names` is the registered one, but for width, case and how it is spaced.

    Nothing else is forgiven: the manual's own example of a change is a 学校法人 put in front of the name.
    """
    wanted = _fold(registered)
    return bool(wanted) and any(_fold(name) == wanted for name in names)


def _fold(name: str) -> str:
    cased = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", cased).split())


def watched_domains(institution: Institution, names: Iterable[str]) -> tuple[Domain, ...]:
    """The registered domains that cover `names` (lower case) and whose registrant the register gives, each once."""
    covering = (institution.domain_of(name) for name in names)
    return tuple(dict.fromkeys(d for d in covering if d is not None and d.registrant is not None))


def check_registrants(
    institution: Institution, names: Iterable[str], facts: WhoisFacts
) -> tuple[RowError, ...]:
    """922 for each domain without an answer, 923 for each whose registrant is another now."""
    errors = []
    for domain in watched_domains(institution, names):
        shown = facts.get(domain.name, UNREACHABLE).names
        if shown is None:
            errors.append(row_error(Code.WHOIS_UNREACHABLE, None, domain.name))
        elif not matches(domain.registrant or "", shown):
            errors.append(row_error(Code.WHOIS_DIFFERS, None, domain.name))
    return tuple(errors)
