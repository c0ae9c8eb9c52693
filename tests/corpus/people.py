"""Who signs in the corpora: officers of two institutions with their keys, and people who are none."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from handlers.rules.register import Domain, Institution, Officer, Policy, Register
from tests.applications import TESTKIKAN
from tests.keys import export_key, gpg_home, make_key, run_gpg, sign_detached
from tests.openpgp_packets import RawKey
from tests.signers import OpenPGPSigner, SmimeSigner, as_officer
from tests.smime_people import Person, Pki

_LONG_AGO = "20200101T000000"
# id -> address, algorithm, days the key lives, when it was made
_KEYS: dict[str, tuple[str, str, str, str | None]] = {
    "suzuki": ("suzuki@example.ac.jp", "ed25519", "0", None),
    "tanaka": ("tanaka@example.ac.jp", "rsa2048", "0", None),
    "sasaki": ("sasaki@example.ac.jp", "ed25519", "0", None),
    "kobayashi": ("kobayashi@example.ac.jp", "ed25519", "0", None),
    "retired": ("retired@example.ac.jp", "ed25519", "0", None),
    "upcoming": ("upcoming@example.ac.jp", "ed25519", "0", None),
    "expired": ("expired@example.ac.jp", "ed25519", "30d", _LONG_AGO),
    "old": ("old@example.ac.jp", "ed25519", "0", _LONG_AGO),
    "revoked": ("revoked@example.ac.jp", "ed25519", "0", None),
    "watanabe": ("watanabe@example.jp", "ed25519", "0", None),
    "stranger": ("stranger@example.ac.jp", "ed25519", "0", None),
    "impostor": ("suzuki@example.ac.jp", "ed25519", "0", None),
}
_NO_OFFICERS = ("watanabe", "stranger", "impostor")
RAW = RawKey(Ed25519PrivateKey.generate(), created=1_600_000_000)  # packets by hand, for odd signatures

Signer = OpenPGPSigner | SmimeSigner


@dataclass(frozen=True)
class People:
    """`signers`: by id, `stranger` is in no register; S/MIME people begin with `smime_`."""

    home: Path
    signers: dict[str, Signer]
    register: Register

    def openpgp(self, name: str) -> OpenPGPSigner:
        signer = self.signers[name]
        assert isinstance(signer, OpenPGPSigner)
        return signer

    def sign(
        self, name: str, data: bytes, digest: str = "SHA256", *more: str, at: str | None = None
    ) -> bytes:
        """An armored block by an OpenPGP key, with options of gpg."""
        return sign_detached(self.home, self.openpgp(name).pin, data, digest, *more, at=at)


def make_persons(pki: Pki) -> dict[str, Person]:
    """Officers who use S/MIME, each with one good certificate; the certificate of one is revoked."""
    kinds = {"smime_ito": "p256", "smime_kato": "rsa2048", "smime_revoked": "p256", "smime_lost": "p256"}
    persons = {name: pki.issue(name, f"{name}@example.ac.jp", kind) for name, kind in kinds.items()}
    elsewhere = pki.make_ca("Revoked CA")
    persons["smime_lost"] = pki.issue("smime_lost", "smime_lost@example.ac.jp", issuer=elsewhere)
    pki.publish("root", pki.crl(pki.root, revoked=[elsewhere]))
    pki.publish("intermediate", pki.crl(revoked=[persons["smime_revoked"]]))
    pki.publish("elsewhere", pki.crl(elsewhere))
    return persons


def as_signer(person: Person) -> SmimeSigner:
    """The same person as mail programs sign."""
    return SmimeSigner(person.name, person.address, person.certificate, person.key, person.chain)


def make_people(home: Path, directory: Path, smime: dict[str, Signer], today: date) -> People:
    """Keys in the gpg home `home`; the key files of the register in `directory`. `smime`: officers of testkikan."""
    signers: dict[str, Signer] = dict(smime)
    for name, (address, algo, expires, made) in _KEYS.items():
        signers[name] = OpenPGPSigner(
            name,
            address,
            home,
            make_key(home, name.replace("impostor", "suzuki"), address, algo, expires, at=made),
        )
    register = _register(signers, directory, today, smime)
    (directory / "revoked.asc").write_bytes(_revoked(home, signers["revoked"].pin))
    return People(home, signers, register)


def _revoked(home: Path, key: str) -> bytes:
    """The public key with its revocation, which `home` itself does not take in: it goes on signing."""
    certificate = (home / "openpgp-revocs.d" / f"{key}.rev").read_text().replace("\n:---", "\n---")
    with gpg_home() as elsewhere:
        run_gpg(elsewhere, "--import", stdin=export_key(home, key))
        run_gpg(elsewhere, "--import", stdin=certificate.encode())
        return export_key(elsewhere, key)


def _register(signers: dict[str, Signer], directory: Path, today: date, smime: dict[str, Signer]) -> Register:
    for signer in signers.values():
        name, content = signer.key_file
        (directory / name).write_bytes(content)
    changes: dict[str, dict[str, object]] = {
        "suzuki": {"addresses": ["suzuki@example.ac.jp", "office@example.ac.jp"]},
        "tanaka": {"addresses": ["tanaka@example.ac.jp", "office@example.ac.jp"]},
        "sasaki": {"inline_openpgp": True},
        "retired": {"openpgp": [_pin(signers["retired"], until=today - timedelta(days=2))]},
        "upcoming": {"openpgp": [_pin(signers["upcoming"], since=today + timedelta(days=3))]},
    }
    ours = [n for n in (*_KEYS, *smime) if n not in _NO_OFFICERS]
    officers = (*(as_officer(signers[n], **changes.get(n, {})) for n in ours), _raw_officer(directory))
    vetted = date(2099, 12, 31)
    testkikan = TESTKIKAN.model_copy(
        update={"officers": officers, "domains": (Domain(name="example.ac.jp", vetted_until=vetted),)}
    )
    betsukikan = _betsukikan(as_officer(signers["watanabe"]), vetted)
    return Register({i.id: i for i in (testkikan, betsukikan)}, "f" * 64)


def _betsukikan(officer: Officer, vetted: date) -> Institution:
    return TESTKIKAN.model_copy(
        update={
            "id": "betsukikan",
            "name": "別機関",
            "domains": (Domain(name="example.jp", vetted_until=vetted),),
            "applicant_domains": ("example.jp",),
            "officers": (officer,),
            "policies": (Policy(),),
        }
    )


def _raw_officer(directory: Path) -> Officer:
    (directory / "raw.asc").write_bytes(RAW.certificate(b"raw"))
    pins = [{"fingerprint": RAW.fingerprint, "file": "raw.asc"}]
    address = "raw@example.ac.jp"
    fields = {"id": "raw", "name": "Raw", "addresses": [address], "notify": address, "openpgp": pins}
    return Officer.model_validate(fields)


def _pin(signer: Signer, **days: date) -> dict[str, object]:
    return {"fingerprint": signer.pin, "file": signer.key_file[0], **days}
