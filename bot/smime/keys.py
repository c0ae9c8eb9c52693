"""S/MIME: verifies what officers sign against the register's pins, the configured roots and the revocation lists."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bot.config import Smime
from bot.register import RegisterFault
from bot.smime.chain import Certificate, find_path, fingerprint, read_certificate, refuse_leaf
from bot.smime.cms import CmsSignature, is_good_signature, read_cms
from bot.smime.crl_files import CrlFiles, Standing, crl_der
from bot.smime.pins import Pinned, load_pinned, load_roots
from bot.toml_file import Fault
from bot.verified import Verified, VerifierFault
from handlers.incoming import Material
from handlers.rules.reasons import Reason
from handlers.rules.register import Register

_AHEAD = timedelta(minutes=60)  # how far a signer's clock may be before our server's (threats PGP5, CMS8)
_NUMBERS = {"sha256": 8, "sha384": 9, "sha512": 10}  # RFC 9580 9.5


class SmimeFault(VerifierFault):
    """A signature that can't be judged now: no fresh revocation list. Nothing is refused, the mail waits."""


@dataclass(frozen=True)
class _Proof:
    """The path from the signer's certificate to a root, and the list that each but the root was looked up in."""

    leaf: Certificate
    path: tuple[x509.Certificate, ...]
    standings: tuple[Standing, ...]

    def lacks_list_at(self, moment: datetime) -> str | None:
        """The name of the first CA whose list does not cover `moment`."""
        pairs = zip(self.path[1:], self.standings, strict=True)
        return next((ca.subject.rfc4514_string() for ca, one in pairs if not one.is_fresh_at(moment)), None)


class SmimeKeys:
    """The pinned keys of one state of the register, and the roots. Threads may share it; a reload makes another.

    `warnings`: certificates of the register that have run out. `issuers`: what is known above the officers: the
    roots, and the CAs that stand in the register's files.
    """

    def __init__(self, pinned: Pinned, roots: tuple[x509.Certificate, ...], settings: Smime) -> None:
        self._pinned = pinned
        self._roots = roots
        self._settings = settings
        self._crls = CrlFiles(settings.crl_dir)
        self.warnings = pinned.warnings
        self.issuers = (*roots, *(one.loaded for one in pinned.issuers))

    @classmethod
    def load(cls, register: Register, register_dir: Path, settings: Smime) -> "SmimeKeys":
        """Raises RegisterFault with every fault of the certificate files and of `ca_file`."""
        faults: list[Fault] = []
        try:
            roots = load_roots(settings.ca_file)
        except RegisterFault as fault:
            faults += fault.faults
        try:
            pinned = load_pinned(register, register_dir, datetime.now(UTC))
        except RegisterFault as fault:
            faults += fault.faults
        if faults:
            raise RegisterFault(faults)
        return cls(pinned, roots, settings)

    def verify_detached(self, signed: bytes, signature: bytes, now: datetime) -> Verified | Reason:
        """`signed`: the exact bytes, lines ended by CRLF. `signature`: the CMS, DER or BER.

        `now`: when the mail arrived (INTERNALDATE). Raises SmimeFault.
        """
        cms = read_cms(signature)
        if isinstance(cms, Reason):
            return cms
        if cms.content is not None:
            return Reason.CMS_CONTENT
        return self._verify(cms, signed, now)

    def verify_opaque(self, signature: bytes, now: datetime) -> Verified | Reason:
        """As `verify_detached`; `Verified.output` is the content that the signature carries. Raises SmimeFault."""
        cms = read_cms(signature)
        if isinstance(cms, Reason):
            return cms
        if cms.content is None:
            return Reason.CMS_CONTENT
        return self._verify(cms, cms.content, now)

    def _verify(self, cms: CmsSignature, content: bytes, now: datetime) -> Verified | Reason:
        known = _read_all(cms.certificates)
        leaves = self._pinned_among(cms, known)
        if not leaves:
            return Reason.UNKNOWN_KEY
        # they have one key: the same officer's, before and after the certificate was renewed
        if not is_good_signature(cms, content, leaves[0].loaded.public_key()):
            return Reason.BAD_SIGNATURE
        if cms.attributes.signed_at > now + _AHEAD:
            return Reason.SIGNED_IN_FUTURE
        proof = self._prove_one(leaves, [*known, *self._pinned.issuers], now)
        return proof if isinstance(proof, Reason) else _verified(cms, proof, now)

    def _prove_one(
        self, leaves: list[Certificate], others: list[Certificate], now: datetime
    ) -> _Proof | Reason:
        """The first certificate that is good. One of them revoked, or the pinned one: the key is, whatever else it has
        been given, by whichever CA."""
        proofs = [self._prove(leaf, others, now) for leaf in leaves]
        pinned = self._pinned.leaves[leaves[0].pin]
        if Reason.REVOKED_CERTIFICATE in (*proofs, self._prove(pinned, others, now)):
            return Reason.REVOKED_CERTIFICATE
        good = [one for one in proofs if isinstance(one, _Proof)]
        if not good:
            return proofs[0]
        if self._settings.crl == "soft-fail":
            return good[0]
        lacking = [one.lacks_list_at(now) for one in good]
        if None not in lacking:
            raise SmimeFault(f"the revocation list of {lacking[0]} is missing or stale", temporary=True)
        return good[lacking.index(None)]

    def _pinned_among(self, cms: CmsSignature, known: list[Certificate]) -> list[Certificate]:
        """The certificates that the signature names and whose key is pinned: all with the first one's key."""
        here = [*known, *self._pinned.leaves.values()]
        named = [one for one in here if one.pin in self._pinned.leaves and one.is_named_by(cms.signer)]
        return list({one.der: one for one in named if one.pin == named[0].pin}.values())

    def _prove(self, leaf: Certificate, others: list[Certificate], now: datetime) -> _Proof | Reason:
        need = self._settings.email_protection == "require"
        if refused := refuse_leaf(leaf, now, need_mail_purpose=need):
            return refused
        path = find_path(leaf, [one.loaded for one in others if one.der != leaf.der], self._roots, now)
        if path is None:
            return Reason.UNTRUSTED_CERTIFICATE
        standings = tuple(self._crls.standing(one, issuer) for one, issuer in pairwise(path))
        if any(standing.is_revoked for standing in standings):
            return Reason.REVOKED_CERTIFICATE
        return _Proof(leaf, path, standings)


def _read_all(certificates: tuple[bytes, ...]) -> list[Certificate]:
    """Those that can be read: a strange one vouches for nothing, and takes nothing from the others."""
    read = []
    for der in certificates:
        try:
            read.append(read_certificate(der))
        except ValueError:
            continue
    return read


def _verified(cms: CmsSignature, proof: _Proof, now: datetime) -> Verified:
    issuers = [one.public_bytes(Encoding.DER) for one in proof.path[1:]]
    crls = [crl_der(standing.crl) for standing in proof.standings if standing.crl is not None]
    return Verified(
        fingerprint=proof.leaf.pin,
        signed_at=cms.attributes.signed_at,
        digest=_NUMBERS[cms.digest],
        status=_status(cms, proof, now),
        output=cms.content,
        materials=(
            Material("certificate.der", proof.leaf.der),
            *(Material(f"issuer-{number}.der", der) for number, der in enumerate(issuers, start=1)),
            *(Material(f"crl-{number}.der", der) for number, der in enumerate(crls, start=1)),
        ),
    )


def _status(cms: CmsSignature, proof: _Proof, now: datetime) -> bytes:
    """What was established, a line each; names stay out of it: they are for others to choose."""
    leaf = proof.leaf.loaded
    lines = [
        f"digest {cms.digest}",
        f"algorithm {cms.kind}",
        f"signed {_show(cms.attributes.signed_at)}",
        f"signer {leaf.serial_number:X} sha256:{fingerprint(leaf)}",
        *(f"chain sha256:{fingerprint(issuer)}" for issuer in proof.path[1:]),
        *(_crl_status(standing, now) for standing in proof.standings),
    ]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _crl_status(standing: Standing, now: datetime) -> str:
    crl = standing.crl
    if crl is None:
        return "crl missing"
    end = _show(crl.next_update_utc) if crl.next_update_utc else "-"
    return f"crl {'fresh' if standing.is_fresh_at(now) else 'stale'} {_show(crl.last_update_utc)} {end}"


def _show(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
