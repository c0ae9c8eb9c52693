"""What is linted before it is signed (threats CSR6): held back, told or let through, as profile and setting say."""

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from structlog.testing import capture_logs

from bot.ca.lint import OVERLOOKED, lint_certificate, throwaway_key
from bot.ca.local import LocalCa
from bot.ca.making import KeyKind
from bot.ca.protocol import CaFault, IssueOrder
from handlers.rules.profile import Profile
from tests.bot.test_ca_local import DN, EC_LEAF, PASSPHRASE, RSA_LEAF, an_order, write_ca

# after the baseline's step to 200 days
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
URLS = {"crl_url": "http://ca.example.ac.jp/ca.crl", "issuer_url": "http://ca.example.ac.jp/ca.cer"}
_PLAIN_DN = tuple(pair for pair in DN if pair[0] != "OU")
_CABF = "cabf.serverauth"


def a_ca(folder: Path, key: KeyKind = "p384", **settings: object) -> LocalCa:
    return LocalCa.open(write_ca(folder, key, **settings), PASSPHRASE, now=NOW)


def order_of(public: bool, key: str = "rsa2048", **changes: object) -> IssueOrder:
    profile = Profile(id=7, key=key, public=public)
    leaf = RSA_LEAF if key == "rsa2048" else EC_LEAF
    order = an_order(profile, leaf, not_before=NOW, not_after=profile.not_after(NOW), subject=_PLAIN_DN)
    return dataclasses.replace(order, **changes)


def fault_of(ca: LocalCa, order: IssueOrder) -> str:
    with pytest.raises(CaFault) as caught:
        ca.issue(order)
    assert not caught.value.temporary
    return str(caught.value)


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384"])
@pytest.mark.parametrize("key", ["rsa2048", "p384"])
def test_CSR6_a_good_public_certificate_is_signed(tmp_path: Path, kind: KeyKind, key: str) -> None:
    leaf = a_ca(tmp_path, kind, **URLS).issue(order_of(True, key))
    assert lint_certificate(leaf, public=True) == ()


def test_CSR6_what_is_overlooked_is_what_no_private_ca_can_have_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = a_ca(tmp_path, **URLS).issue(order_of(True))
    monkeypatch.setattr("bot.ca.lint.OVERLOOKED", frozenset())
    assert {finding.code for finding in lint_certificate(leaf, public=True)} == OVERLOOKED


@pytest.mark.parametrize("lint", ["off", "warn", "block"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"not_after": NOW + timedelta(days=400)}, f"{_CABF}.certificate_validity_period_exceeds_200_days"),
        ({"subject": DN}, f"{_CABF}.ov.organizational_unit_name_attribute_present"),
        (
            {
                "dns_names": ("a_b.example.ac.jp",),
                "subject": (("CN", "a_b.example.ac.jp"), *_PLAIN_DN[1:]),
            },
            f"{_CABF}.invalid_dnsname_syntax",
        ),
    ],
    ids=["400 days", "OU", "underscore"],
)
def test_CSR6_a_bad_public_certificate_is_held_back_whatever_the_setting(
    tmp_path: Path, lint: str, changes: dict[str, object], code: str
) -> None:
    said = fault_of(a_ca(tmp_path, lint=lint, **URLS), order_of(True, **changes))
    assert said.startswith("order 27962880887387413268309629530, profile 7: the lint finds ")
    assert code in said
    assert said.endswith(": nothing was signed")


def test_CSR6_a_public_certificate_without_the_urls_of_its_ca_is_held_back(tmp_path: Path) -> None:
    said = fault_of(a_ca(tmp_path), order_of(True))
    assert f"{_CABF}.subscriber.revocation_information_absent" in said
    assert f"{_CABF}.subscriber.authority_info_access_extension_absent" in said


def test_CSR6_the_ca_s_own_key_signs_nothing_that_is_held_back(tmp_path: Path) -> None:
    ca = a_ca(tmp_path, **URLS)
    signed: list[object] = []

    class Watching:
        """The CA's key; who asks it for a signature is written down."""

        def __getattr__(self, name: str) -> object:
            signed.append(name)
            return getattr(ca._key, name)

    watched = dataclasses.replace(ca, _key=Watching())
    fault_of(watched, order_of(True, not_after=NOW + timedelta(days=400)))
    assert "sign" not in signed


def a_bad_certificate(**without: bool) -> bytes:
    """What no order of ours can ask for: the rules are asked by themselves."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test1.example.ac.jp")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(2**70 + 1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=90))
    if not without.get("names"):
        names = x509.SubjectAlternativeName([x509.DNSName("test1.example.ac.jp")])
        builder = builder.add_extension(names, critical=False)
    if not without.get("usage"):
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("without", "code"),
    [
        ("names", f"{_CABF}.subscriber.subject_altname_extension_absent"),
        ("usage", f"{_CABF}.subscriber.extended_key_usage_extension_absent"),
    ],
)
def test_CSR6_a_public_certificate_that_lacks_an_extension_has_a_finding(without: str, code: str) -> None:
    assert code not in {f.code for f in lint_certificate(a_bad_certificate(), public=True)}
    assert code in {f.code for f in lint_certificate(a_bad_certificate(**{without: True}), public=True)}


def test_CSR6_other_profiles_are_held_to_rfc_5280_alone(tmp_path: Path) -> None:
    order = order_of(False, subject=DN, not_after=NOW + timedelta(days=396))
    assert a_ca(tmp_path, lint="block").issue(order)


def a_broken_order() -> IssueOrder:
    """A name with an empty label, which RFC 5280 does not allow; the desk's own rules never let it come so far."""
    return order_of(False, dns_names=("test1.example.ac.jp", "x..example.ac.jp"))


def test_CSR6_warn_signs_and_logs_block_holds_back_off_does_not_look(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert a_ca(tmp_path, lint="warn").issue(a_broken_order())
    [line] = [line for line in logs if line["event"] == "lint"]
    assert line["log_level"] == "warning"
    assert line["findings"]
    assert "the lint finds" in fault_of(a_ca(tmp_path, lint="block"), a_broken_order())
    with capture_logs() as logs:
        assert a_ca(tmp_path, lint="off").issue(a_broken_order())
    assert logs == []


def test_a_throwaway_key_is_of_the_ca_s_kind_and_not_the_ca_s() -> None:
    for public in (RSA_LEAF, EC_LEAF):
        made = throwaway_key(public).public_key()
        assert type(made) is type(public)
        assert made.key_size == public.key_size
        assert made != public


def test_without_the_extra_the_start_says_what_to_install(tmp_path: Path) -> None:
    write_ca(tmp_path, "p256", None)
    program = f"""
import sys
sys.modules["pkilint"] = None
from datetime import datetime, UTC
from pathlib import Path
from bot.ca.local import LocalCa
from bot.ca.protocol import CaFault
from bot.config import Ca
folder, now = Path("{tmp_path}"), datetime(2026, 11, 24, tzinfo=UTC)
for lint in ("off", "warn", "block"):
    try:
        LocalCa.open(Ca(key=folder / "ca.key", certificate=folder / "ca.pem", lint=lint), None, now=now)
        print("opened")
    except CaFault as fault:
        print(fault.temporary, fault)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = "False ca.lint and public profiles need what the extra `lint` brings: pip install 'ringi[lint]'"
    assert done.stdout.splitlines() == ["opened", told, told]


def test_a_public_profile_needs_the_extra_whatever_the_setting(tmp_path: Path) -> None:
    write_ca(tmp_path, "p256", None)
    program = f"""
import sys
sys.modules["pkilint"] = None
from bot.ca.protocol import CaFault
from bot.config import Config
from bot.wiring import open_ca
server = {{"host": "127.0.0.1", "port": 9, "security": "none"}}
config = {{
    "instance": "ringi.example.ac.jp",
    "address": "ringi@example.ac.jp",
    "imap": {{**server, "user": "ringi", "password_file": "{tmp_path}/none"}},
    "smtp": server,
    "openpgp": {{"fingerprint": "0" * 40}},
    "ca": {{"key": "{tmp_path}/none", "certificate": "{tmp_path}/ca.pem"}},
    "web": {{"public_url": "https://ringi.example.ac.jp"}},
    "profile": [{{"id": 3, "key": "rsa2048", "public": True}}],
}}
try:
    open_ca(Config.model_validate(config))
except CaFault as fault:
    print(fault.temporary, fault)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'ringi[lint]'" in done.stdout


def test_pkilint_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, bot.ca.local; print('pkilint' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
