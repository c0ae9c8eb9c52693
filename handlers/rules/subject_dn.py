"""The subject DN of a server certificate (主体者DN): its text form, its order, its X.509 name."""

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from handlers.rules.row_errors import Code, RowError, row_error

# in the manual's order; only OU may be left out or repeated, and a missing L or ST is an error of its own
ORDER = ("CN", "OU", "O", "L", "ST", "C")
_RANKS = {kind: place for place, kind in enumerate(ORDER)}
_OIDS = {
    "CN": NameOID.COMMON_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME,
}
TYPES = {oid: kind for kind, oid in _OIDS.items()}
COUNTRY = "JP"
# values may hold `,` and `=`, and nothing is escaped: only a comma before a known key begins an attribute
SEPARATOR = re.compile(r", *(?=(?:CN|OU|O|L|ST|C)=)", re.I)


@dataclass(frozen=True)
class SubjectDN:
    """A subject DN. `attributes` are (type, value) in the text's order: CN, OU.., O, L, ST, C."""

    attributes: tuple[tuple[str, str], ...]

    def values(self, kind: str) -> tuple[str, ...]:
        """The values of one type (`OU`), in order; () where there is none."""
        return tuple(value for key, value in self.attributes if key == kind)

    @property
    def cn(self) -> str:
        return self.values("CN")[0]

    def lines(self) -> tuple[str, ...]:
        """One `TYPE=value` each."""
        return tuple(f"{key}={value}" for key, value in self.attributes)

    def text(self) -> str:
        """`CN=test1.example.ac.jp,O=testkikan,…`."""
        return ",".join(self.lines())

    def match_key(self) -> str:
        """What makes two DNs the same for error 212: CN and OU, whatever their case and the order of OUs."""
        units = sorted(value.lower() for value in self.values("OU"))
        return ",".join([f"cn={self.cn.lower()}", *(f"ou={unit}" for unit in units)])

    def to_x509(self) -> x509.Name:
        """The name for the certificate: C, ST, L, O, OU, CN, the reverse of the text (RFC 4514 2.1)."""
        return x509.Name(x509.NameAttribute(_OIDS[key], value) for key, value in reversed(self.attributes))


def parse_subject_dn(text: str) -> SubjectDN | RowError:
    """Read column 1; error 206 says which part is at fault. A missing ST or L is left to the caller."""
    attributes = []
    for item in SEPARATOR.split(text.strip(" ")):
        key, equals, value = item.partition("=")
        kind, value = key.upper(), value.strip(" ")
        if kind not in _OIDS or not equals or not value:
            return _fault(item)
        attributes.append((kind, value))
    return _check_order(tuple(attributes)) or SubjectDN(tuple(attributes))


def subject_of(name: x509.Name) -> SubjectDN:
    """A CSR's subject as one of ours, CN first; types we do not use are named by their dotted number."""
    pairs = [(TYPES.get(a.oid, a.oid.dotted_string), str(a.value).strip(" ")) for a in reversed(list(name))]
    return SubjectDN(tuple(sorted(pairs, key=lambda pair: _RANKS.get(pair[0], len(_RANKS)))))


def _check_order(attributes: tuple[tuple[str, str], ...]) -> RowError | None:
    places = [ORDER.index(kind) for kind, _ in attributes]
    for before, after, (kind, value) in zip(places, places[1:], attributes[1:], strict=False):
        if after < before or (after == before and kind != "OU"):
            return _fault(f"{kind}={value}")
    kinds = {kind for kind, _ in attributes}
    for kind in ("CN", "O", "C"):
        if kind not in kinds:
            return _fault(f"{kind}=")
    if attributes[-1] != ("C", COUNTRY):
        return _fault(f"C={attributes[-1][1]}")
    return None


def _fault(part: str) -> RowError:
    return row_error(Code.FORM, 1, part)
