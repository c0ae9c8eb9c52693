"""A CA key in a token: what it signs is verified by openssl, and what can go wrong with a token is told in words."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from bot.ca.local import LocalCa
from bot.ca.making import KeyKind, make_ca
from bot.ca.protocol import CaFault, Revoked
from bot.ca.token_uri import TokenKey, read_token_uri
from bot.config import Ca as CaSettings
from tests.bot.test_ca_local import EC, EC_LEAF, NOW, RSA, an_order, assert_is_leaf, assert_webpki_accepts
from tests.soft_token import PIN, find_module, make_token

KINDS: tuple[KeyKind, ...] = ("rsa2048", "p256", "p384")


@dataclass(frozen=True)
class SoftToken:
    """A SoftHSM token `ca` with one key of each kind, its label; in `folder` the certificates that go with them."""

    folder: Path
    module: Path

    def settings(self, kind: str, certificate: str | None = None, token: str = "ca") -> CaSettings:
        uri = f"pkcs11:token={token};object={kind}?module-path={self.module}"
        return CaSettings(pkcs11=uri, certificate=self.folder / f"{certificate or kind}.pem")

    def open(self, kind: str) -> LocalCa:
        return LocalCa.open(self.settings(kind), PIN, now=NOW)

    def fault(self, settings: CaSettings, pin: str | None = PIN) -> str:
        with pytest.raises(CaFault) as caught:
            LocalCa.open(settings, pin, now=NOW)
        assert not caught.value.temporary
        assert PIN not in str(caught.value)
        return str(caught.value)


@pytest.fixture(scope="module")
def soft(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    program = need("softhsm2-util")
    folder = tmp_path_factory.mktemp("token")
    conf = make_token(folder, program)
    # the library reads it in this very process
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(conf)
    run = [program, "--token", "ca", "--pin", PIN]
    for number, kind in enumerate(KINDS, start=1):
        key, certificate = make_ca(f"Token {kind}", key=kind, days=3650, passphrase=None, now=NOW)
        (folder / f"{kind}.pem").write_bytes(certificate)
        plain = load_pem_private_key(key, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        (folder / "import.key").write_bytes(plain)
        label = ["--label", kind, "--id", f"{number:02}"]
        subprocess.run([*run, "--import", folder / "import.key", *label], check=True, capture_output=True)
    (folder / "import.key").unlink()
    yield SoftToken(folder, find_module())
    os.environ.pop("SOFTHSM2_CONF")
    if before is not None:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_accepts_certificate_and_list_that_a_token_signed(
    soft: SoftToken, kind: KeyKind, need: Callable[[str], str], tmp_path: Path
) -> None:
    openssl = need("openssl")
    ca = soft.open(kind)
    for order in (an_order(RSA), an_order(EC, EC_LEAF)):
        leaf = ca.issue(order)
        assert_is_leaf(x509.load_der_x509_certificate(leaf), order)
        assert_webpki_accepts(ca, leaf, order.dns_names[0])
    crl = ca.crl([Revoked(7, NOW, 1)], number=3, this_update=NOW, next_update=NOW + timedelta(days=7))
    (tmp_path / "leaf.pem").write_bytes(x509.load_der_x509_certificate(leaf).public_bytes(Encoding.PEM))
    (tmp_path / "crl.pem").write_bytes(x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM))
    root = str(soft.folder / f"{kind}.pem")
    at = ["-attime", str(int((NOW + timedelta(days=1)).timestamp()))]
    verify = [openssl, "verify", *at, "-CAfile", root, "-CRLfile", tmp_path / "crl.pem", "-crl_check"]
    done = subprocess.run([*verify, tmp_path / "leaf.pem"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [openssl, "crl", "-noout", "-verify", "-CAfile", root, "-in", tmp_path / "crl.pem"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "verify OK" in done.stdout + done.stderr


def test_a_token_that_went_away_is_a_temporary_fault_and_when_it_is_back_it_signs(soft: SoftToken) -> None:
    ca = soft.open("p256")
    tokens, away = soft.folder / "tokens", soft.folder / "away"
    tokens.rename(away)
    try:
        for _ in range(2):
            with pytest.raises(CaFault, match="the token ca .* does not sign") as caught:
                ca.issue(an_order())
            assert caught.value.temporary
    finally:
        away.rename(tokens)
    leaf = ca.issue(an_order())
    assert_webpki_accepts(ca, leaf, "test1.example.ac.jp")


def test_two_logins_to_one_token_do_not_shut_each_other_out(soft: SoftToken) -> None:
    first, second = soft.open("p256"), soft.open("rsa2048")
    for ca in (first, second, first):
        assert_webpki_accepts(ca, ca.issue(an_order()), "test1.example.ac.jp")


def test_a_wrong_pin_is_told_and_tried_once_only(soft: SoftToken) -> None:
    said = soft.fault(soft.settings("p256"), "000000")
    assert said == "the token ca (ca.pkcs11) does not take the PIN that ca.passphrase_file holds"
    assert "000000" not in said


def test_a_pin_that_became_wrong_while_we_run_is_temporary_and_never_tried_again(
    soft: SoftToken, need: Callable[[str], str]
) -> None:
    ca = soft.open("p256")
    key = ca._key
    key._token.pin = "000000"
    key._token._key = None
    asked = []
    log_in = key._token._log_in
    key._token._log_in = lambda: asked.append(1) or log_in()
    for _ in range(3):
        with pytest.raises(CaFault, match="does not take the PIN") as caught:
            ca.issue(an_order())
        assert caught.value.temporary
    assert len(asked) == 1


@pytest.mark.parametrize("pin", [None, ""])
def test_a_token_without_its_pin_is_told(soft: SoftToken, pin: str | None) -> None:
    assert "the token ca (ca.pkcs11)" in soft.fault(soft.settings("p256"), pin)


def test_a_key_a_token_and_a_library_that_are_not_there_are_told(soft: SoftToken) -> None:
    assert "holds no private key absent" in soft.fault(soft.settings("absent", certificate="p256"))
    assert "NoSuchToken" in soft.fault(soft.settings("p256", token="absent"))
    settings = soft.settings("p256")
    uri = str(settings.pkcs11).replace("libsofthsm2.so", "absent.so")
    assert "absent.so" in soft.fault(settings.model_copy(update={"pkcs11": uri}))


@pytest.mark.parametrize(
    ("kind", "certificate"), [("p256", "p384"), ("rsa2048", "p256"), ("p256", "rsa2048")]
)
def test_a_key_that_is_not_the_certificate_s_is_refused(soft: SoftToken, kind: str, certificate: str) -> None:
    soft.fault(soft.settings(kind, certificate))


def test_another_key_of_the_same_kind_is_named(soft: SoftToken) -> None:
    _, other = make_ca("Other", key="p256", days=10, passphrase=None, now=NOW)
    (soft.folder / "other.pem").write_bytes(other)
    said = soft.fault(soft.settings("p256", "other"))
    assert said == "the key p256 in the token ca is not the key of ca.certificate: name those of a pair"


def test_the_pin_stands_in_no_representation(soft: SoftToken) -> None:
    ca = soft.open("p256")
    assert PIN not in repr(ca)
    assert PIN not in repr(ca._key._token)


def test_without_the_extra_the_start_says_what_to_install(soft: SoftToken) -> None:
    program = f"""
import sys
sys.modules["pkcs11"] = None
from pathlib import Path
from bot.ca.local import LocalCa
from bot.ca.protocol import CaFault
from bot.config import Ca
uri = "pkcs11:token=ca;object=p256?module-path={soft.module}"
try:
    LocalCa.open(Ca(pkcs11=uri, certificate=Path("{soft.folder}/p256.pem")), "1")
except CaFault as fault:
    print(fault.temporary, fault)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False ca.pkcs11 needs what the extra `hsm` brings: pip install 'ringi[hsm]'\n"


def test_a_token_uri_is_read_with_its_escapes() -> None:
    uri = "pkcs11:token=The%20CA;object=k%3B1;type=private?module-path=/usr/lib/p11.so"
    assert read_token_uri(uri) == TokenKey(Path("/usr/lib/p11.so"), "The CA", "k;1")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ca.key", "must begin with pkcs11:"),
        ("pkcs11:", "lacks token, object, module-path"),
        ("pkcs11:token=a;object=b", "lacks module-path"),
        ("pkcs11:token=a;object=b?module-path=p11.so", "must begin with /"),
        ("pkcs11:token=a;token=b;object=b?module-path=/p11.so", "stands twice"),
        ("pkcs11:token=a;object=b;serial=1?module-path=/p11.so", "serial is not understood"),
        ("pkcs11:token=a;object=b;type=public?module-path=/p11.so", "type must be private"),
        ("pkcs11:token=a;object=b?module-path=/p11.so&pin-value=1234", "the PIN stands in the file"),
    ],
)
def test_a_token_uri_that_is_not_understood_whole_is_refused_in_the_configuration(
    uri: str, said: str
) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        CaSettings(pkcs11=uri, certificate=Path("ca.pem"))
    assert "pin-value=1234" not in str(caught.value.errors(include_input=False))


def test_the_key_lies_in_one_place() -> None:
    for places in ({}, {"key": Path("ca.key"), "pkcs11": "pkcs11:token=a;object=b?module-path=/p11.so"}):
        with pytest.raises(ValidationError, match="one of them"):
            CaSettings(certificate=Path("ca.pem"), **places)
