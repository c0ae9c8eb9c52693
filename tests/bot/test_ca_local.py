"""The local CA: what it signs is judged by OpenSSL and by a WebPKI verifier, not by our own reading."""

import dataclasses
import hashlib
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import verification
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from bot.ca.local import LocalCa
from bot.ca.making import KeyKind, make_ca
from bot.ca.protocol import Ca, CaFault, IssueOrder
from bot.config import Ca as CaSettings
from handlers.rules.profile import Profile

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
RSA = Profile(id=3, key="rsa2048", digest="sha256")
EC = Profile(id=11, key="p384", digest="sha384")
DN = (
    ("CN", "test1.example.ac.jp"),
    ("OU", "Second"),
    ("OU", "First"),
    ("O", "testkikan"),
    ("L", "Chiyoda-ku"),
    ("ST", "Tokyo"),
    ("C", "JP"),
)
NAMES = ("test1.example.ac.jp", "www.test1.example.ac.jp")
RSA_LEAF = rsa.generate_private_key(65537, 2048).public_key()
EC_LEAF = ec.generate_private_key(ec.SECP384R1()).public_key()
PASSPHRASE = "correct horse 正しい馬"


def spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def an_order(profile: Profile = RSA, key: PublicKeyTypes = RSA_LEAF, **changes: object) -> IssueOrder:
    order = IssueOrder(
        serial=0x5A5A5A5A5A5A5A5A5A5A5A5A,
        subject=DN,
        dns_names=NAMES,
        public_key=spki(key),
        profile=profile,
        not_before=NOW,
        not_after=profile.not_after(NOW),
    )
    return dataclasses.replace(order, **changes)


def write_ca(folder: Path, key: KeyKind, passphrase: str | None = PASSPHRASE, **more: object) -> CaSettings:
    key_pem, certificate_pem = make_ca("Example Root", key=key, days=3650, passphrase=passphrase, now=NOW)
    (folder / "ca.key").write_bytes(key_pem)
    (folder / "ca.pem").write_bytes(certificate_pem)
    return CaSettings(key=folder / "ca.key", certificate=folder / "ca.pem", **more)


def open_ca(folder: Path, key: KeyKind = "p384", **more: object) -> LocalCa:
    return LocalCa.open(write_ca(folder, key, **more), PASSPHRASE, now=NOW)


def fault_of_opening(settings: CaSettings, passphrase: str | None = PASSPHRASE, now: datetime = NOW) -> str:
    with pytest.raises(CaFault) as caught:
        LocalCa.open(settings, passphrase, now=now)
    assert not caught.value.temporary
    return str(caught.value)


def fault_of_issuing(ca: LocalCa, order: IssueOrder) -> str:
    with pytest.raises(CaFault) as caught:
        ca.issue(order)
    assert not caught.value.temporary
    return str(caught.value)


def assert_is_leaf(certificate: x509.Certificate, order: IssueOrder) -> None:
    """The certificate says what the order says, all of it and nothing more."""
    assert certificate.serial_number == order.serial
    assert certificate.not_valid_before_utc == order.not_before
    assert certificate.not_valid_after_utc == order.not_after
    assert spki(certificate.public_key()) == order.public_key
    assert certificate.signature_hash_algorithm.name == order.profile.digest
    found = {e.oid._name: (e.critical, e.value) for e in certificate.extensions}
    assert found.pop("basicConstraints") == (True, x509.BasicConstraints(ca=False, path_length=None))
    names = found.pop("subjectAltName")[1]
    assert tuple(names.get_values_for_type(x509.DNSName)) == order.dns_names
    assert len(list(names)) == len(order.dns_names)
    found.pop("authorityKeyIdentifier")
    assert found.pop("subjectKeyIdentifier")[1] == x509.SubjectKeyIdentifier.from_public_key(
        certificate.public_key()
    )
    usages = [ExtendedKeyUsageOID.SERVER_AUTH]
    usages += [ExtendedKeyUsageOID.CLIENT_AUTH] if order.profile.client_auth else []
    assert list(found.pop("extendedKeyUsage")[1]) == usages
    is_critical, usage = found.pop("keyUsage")
    assert is_critical
    assert usage.digital_signature
    assert usage.key_encipherment == isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert not any((usage.key_cert_sign, usage.crl_sign, usage.key_agreement, usage.data_encipherment))
    assert not set(found) - {"cRLDistributionPoints", "authorityInfoAccess"}


def assert_webpki_accepts(ca: LocalCa, leaf: bytes, name: str) -> None:
    issuing, *above = [x509.load_der_x509_certificate(der) for der in ca.chain()]
    root, middle = (above[-1], [issuing]) if above else (issuing, [])
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([root]))
        .time(NOW + timedelta(days=1))
        .build_server_verifier(x509.DNSName(name))
    )
    assert len(verifier.verify(x509.load_der_x509_certificate(leaf), middle)) == len(ca.chain()) + 1


def assert_openssl_accepts(openssl: str, ca: LocalCa, leaf: bytes, name: str, folder: Path) -> None:
    *middle, root = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ca.chain()]
    (folder / "root.pem").write_bytes(root)
    (folder / "middle.pem").write_bytes(b"".join(middle))
    (folder / "leaf.pem").write_bytes(x509.load_der_x509_certificate(leaf).public_bytes(Encoding.PEM))
    command = [openssl, "verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", "sslserver"]
    command += ["-verify_hostname", name, "-attime", str(int((NOW + timedelta(days=1)).timestamp()))]
    command += ["-CAfile", str(folder / "root.pem")]
    command += ["-untrusted", str(folder / "middle.pem")] if middle else []
    done = subprocess.run([*command, str(folder / "leaf.pem")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ca_key", ["rsa2048", "rsa3072", "p256", "p384"])
@pytest.mark.parametrize(("profile", "key"), [(RSA, RSA_LEAF), (EC, EC_LEAF)], ids=["rsa", "ec"])
def test_what_any_ca_signs_is_accepted_by_openssl_and_by_a_webpki_verifier(
    ca_key: KeyKind, profile: Profile, key: PublicKeyTypes, tmp_path: Path, need: Callable[[str], str]
) -> None:
    ca: Ca = open_ca(tmp_path, ca_key)
    order = an_order(profile, key)
    leaf = ca.issue(order)
    assert_is_leaf(x509.load_der_x509_certificate(leaf), order)
    for name in NAMES:
        assert_webpki_accepts(ca, leaf, name)
        assert_openssl_accepts(need("openssl"), ca, leaf, name, tmp_path)


def test_the_verifiers_here_would_notice_a_wrong_name(tmp_path: Path, need: Callable[[str], str]) -> None:
    ca = open_ca(tmp_path)
    leaf = ca.issue(an_order())
    with pytest.raises(verification.VerificationError):
        assert_webpki_accepts(ca, leaf, "other.example.ac.jp")
    with pytest.raises(AssertionError):
        assert_openssl_accepts(need("openssl"), ca, leaf, "other.example.ac.jp", tmp_path)


def test_the_subject_stands_in_der_order_with_the_string_types_of_rfc_5280(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    leaf = open_ca(tmp_path).issue(an_order())
    (tmp_path / "leaf.der").write_bytes(leaf)
    command = [need("openssl"), "x509", "-inform", "DER", "-in", str(tmp_path / "leaf.der"), "-noout"]
    command += ["-subject", "-nameopt", "sep_comma_plus,sname,show_type"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert printed == (
        "subject=C=PRINTABLESTRING:JP,ST=UTF8STRING:Tokyo,L=UTF8STRING:Chiyoda-ku,O=UTF8STRING:testkikan,"
        "OU=UTF8STRING:First,OU=UTF8STRING:Second,CN=UTF8STRING:test1.example.ac.jp"
    )


def test_people_who_read_the_subject_see_the_order_of_the_application(tmp_path: Path) -> None:
    leaf = x509.load_der_x509_certificate(open_ca(tmp_path).issue(an_order()))
    assert leaf.subject.rfc4514_string() == ",".join(f"{kind}={value}" for kind, value in DN)


@pytest.mark.parametrize("ca_key", ["rsa2048", "p384"])
def test_the_same_order_gives_the_same_bytes_also_after_a_restart(ca_key: KeyKind, tmp_path: Path) -> None:
    settings = write_ca(tmp_path, ca_key)
    first, second = (LocalCa.open(settings, PASSPHRASE, now=NOW).issue(an_order()) for _ in range(2))
    assert first == second


def test_urls_appear_in_the_certificate_only_if_they_are_configured(tmp_path: Path) -> None:
    urls = {
        "crl_url": "http://ca.example.ac.jp/ca.crl",
        "issuer_url": "http://ca.example.ac.jp/ca.cer",
        "ocsp_url": "http://ocsp.example.ac.jp",
    }
    extensions = x509.load_der_x509_certificate(open_ca(tmp_path, **urls).issue(an_order())).extensions
    point = extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0]
    assert [name.value for name in point.full_name] == [urls["crl_url"]]
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {(a.access_method, a.access_location.value) for a in access} == {
        (AuthorityInformationAccessOID.CA_ISSUERS, urls["issuer_url"]),
        (AuthorityInformationAccessOID.OCSP, urls["ocsp_url"]),
    }
    plain = x509.load_der_x509_certificate(open_ca(tmp_path).issue(an_order())).extensions
    assert {e.oid._name for e in plain}.isdisjoint({"cRLDistributionPoints", "authorityInfoAccess"})


def test_client_authentication_is_added_only_by_the_profile(tmp_path: Path) -> None:
    ca = open_ca(tmp_path)
    for client_auth in (False, True):
        order = an_order(RSA.model_copy(update={"client_auth": client_auth}))
        assert_is_leaf(x509.load_der_x509_certificate(ca.issue(order)), order)


def test_the_issuer_is_named_by_its_public_key(tmp_path: Path) -> None:
    ca = open_ca(tmp_path)
    root = x509.load_der_x509_certificate(ca.chain()[0])
    assert ca.issuer == hashlib.sha256(spki(root.public_key())).hexdigest()


@pytest.mark.parametrize("serial", [0, 1, -(2**80), 2**63 - 1, 10**32])
def test_a_serial_that_is_guessable_or_longer_than_the_column_is_refused(serial: int, tmp_path: Path) -> None:
    assert "serial" in fault_of_issuing(open_ca(tmp_path), an_order(serial=serial))


@pytest.mark.parametrize("serial", [2**63, 10**32 - 1])
def test_the_smallest_and_the_largest_serial_are_signed(serial: int, tmp_path: Path) -> None:
    leaf = x509.load_der_x509_certificate(open_ca(tmp_path).issue(an_order(serial=serial)))
    assert leaf.serial_number == serial


def test_a_validity_past_the_ca_itself_is_refused_to_the_second(tmp_path: Path) -> None:
    ca = open_ca(tmp_path)
    leaf = x509.load_der_x509_certificate(ca.issue(an_order(not_after=ca.not_after)))
    assert leaf.not_valid_after_utc == ca.not_after
    message = fault_of_issuing(ca, an_order(not_after=ca.not_after + timedelta(seconds=1)))
    assert "profile 3" in message


def test_a_validity_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    assert "before it begins" in fault_of_issuing(
        open_ca(tmp_path), an_order(not_after=NOW - timedelta(days=1))
    )


def test_the_cas_own_public_key_is_never_certified_for_a_host(tmp_path: Path) -> None:
    ca = open_ca(tmp_path)
    own = x509.load_der_x509_certificate(ca.chain()[0]).public_key()
    assert "own public key" in fault_of_issuing(ca, an_order(EC, own))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"subject": (*DN, ("emailAddress", "a@example.ac.jp"))}, "emailAddress"),
        ({"subject": DN[1:]}, "CN"),
        ({"subject": (("CN", "other.example.ac.jp"), *DN[1:])}, "CN"),
        ({"dns_names": ()}, "DNS name"),
        ({"subject": (*DN[:-1], ("C", "Japan"))}, "C=Japan"),
        ({"subject": (DN[0], ("O", "x" * 65), *DN[4:])}, "O=xxx"),
        ({"subject": (*DN, ("OU", ""))}, "OU="),
        ({"public_key": b"rubbish"}, "public key"),
        ({"public_key": spki(ed25519.Ed25519PrivateKey.generate().public_key())}, "neither RSA nor EC"),
    ],
)
def test_an_order_that_is_no_server_certificate_is_refused(
    changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    assert named in fault_of_issuing(open_ca(tmp_path), an_order(**changes))


def test_a_wrong_passphrase_says_where_to_correct_it(tmp_path: Path) -> None:
    message = fault_of_opening(write_ca(tmp_path, "p256"), "wrong")
    assert str(tmp_path / "ca.key") in message
    assert "ca.passphrase_file" in message


def test_a_missing_passphrase_says_where_to_put_it(tmp_path: Path) -> None:
    assert "ca.passphrase_file" in fault_of_opening(write_ca(tmp_path, "p256"), None)


def test_an_open_key_opens_without_a_passphrase_but_not_with_one(tmp_path: Path) -> None:
    settings = write_ca(tmp_path, "p256", None)
    LocalCa.open(settings, None, now=NOW)
    assert "openssl pkcs8" in fault_of_opening(settings, PASSPHRASE)


def test_a_key_that_is_not_the_certificates_names_both_files(tmp_path: Path) -> None:
    settings = write_ca(tmp_path, "p256")
    other = tmp_path / "other.key"
    key_pem, _ = make_ca("Other", key="p256", days=1, passphrase=PASSPHRASE, now=NOW)
    other.write_bytes(key_pem)
    message = fault_of_opening(settings.model_copy(update={"key": other}))
    assert str(other) in message
    assert str(settings.certificate) in message


def test_a_ca_out_of_its_validity_is_not_opened(tmp_path: Path) -> None:
    settings = write_ca(tmp_path, "p256")
    assert "expired" in fault_of_opening(settings, now=NOW + timedelta(days=3650))
    assert "clock" in fault_of_opening(settings, now=NOW - timedelta(seconds=1))
    LocalCa.open(settings, PASSPHRASE, now=NOW + timedelta(days=3650) - timedelta(seconds=1))


@pytest.mark.parametrize("lacks", ["basicConstraints", "CA:TRUE", "keyUsage", "keyCertSign"])
def test_a_certificate_that_may_not_sign_is_not_opened(lacks: str, tmp_path: Path) -> None:
    settings = write_ca(tmp_path, "p256")
    key = load_pem_private_key(settings.key.read_bytes(), PASSPHRASE.encode())
    made = x509.load_pem_x509_certificate(settings.certificate.read_bytes())
    builder = (
        x509.CertificateBuilder()
        .subject_name(made.subject)
        .issuer_name(made.subject)
        .serial_number(1)
        .public_key(key.public_key())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
    )
    for extension in made.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage) and lacks == "keyCertSign":
            value = x509.KeyUsage(True, *[False] * 5, True, False, False)
        if isinstance(value, x509.BasicConstraints) and lacks == "CA:TRUE":
            value = x509.BasicConstraints(ca=False, path_length=None)
        if extension.oid._name != lacks:
            builder = builder.add_extension(value, extension.critical)
    settings.certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert "keyCertSign" in fault_of_opening(settings)


@pytest.mark.parametrize("file", ["key", "certificate"])
@pytest.mark.parametrize("content", [None, b"rubbish"])
def test_a_file_that_is_missing_or_not_pem_is_named(file: str, content: bytes | None, tmp_path: Path) -> None:
    settings = write_ca(tmp_path, "p256", None)
    path: Path = getattr(settings, file)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert str(path) in fault_of_opening(settings, None)


def test_an_ed25519_key_is_not_taken_for_a_ca(tmp_path: Path) -> None:
    settings = write_ca(tmp_path, "p256")
    key = ed25519.Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(PASSPHRASE.encode())
    settings.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    assert "neither an RSA nor an EC key" in fault_of_opening(settings)


def write_issuing_ca(folder: Path) -> tuple[CaSettings, Path]:
    """An issuing CA below a root; its settings without a chain, and the root's file."""
    root_key = ec.generate_private_key(ec.SECP384R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Top")])
    key = ec.generate_private_key(ec.SECP384R1())
    made = {
        "root.pem": sign_ca(root_name, root_key, root_name, root_key, 1),
        "ca.pem": sign_ca(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Issuing")]),
            key,
            root_name,
            root_key,
            0,
        ),
    }
    for name, certificate in made.items():
        (folder / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return CaSettings(key=folder / "ca.key", certificate=folder / "ca.pem"), folder / "root.pem"


def sign_ca(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    path_length: int,
) -> x509.Certificate:
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=3000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority, critical=False)
        .sign(issuer_key, hashes.SHA384())
    )


def test_an_issuing_ca_under_a_root_hands_out_its_whole_chain(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    settings, root = write_issuing_ca(tmp_path)
    ca = LocalCa.open(settings.model_copy(update={"chain": root}), None, now=NOW)
    assert len(ca.chain()) == 2
    leaf = ca.issue(an_order(EC, EC_LEAF))
    assert_webpki_accepts(ca, leaf, NAMES[0])
    assert_openssl_accepts(need("openssl"), ca, leaf, NAMES[0], tmp_path)


def test_a_chain_that_does_not_lead_upwards_is_not_opened(tmp_path: Path) -> None:
    settings, _ = write_issuing_ca(tmp_path)
    _, stranger = make_ca("Stranger", key="p256", days=9, passphrase=None, now=NOW)
    (tmp_path / "stranger.pem").write_bytes(stranger)
    message = fault_of_opening(settings.model_copy(update={"chain": tmp_path / "stranger.pem"}), None)
    assert "CN=Stranger did not issue CN=Example Issuing" in message


@pytest.mark.parametrize("key", ["rsa2048", "rsa3072", "rsa4096", "p256", "p384"])
def test_a_made_root_verifies_itself_and_lasts_exactly_its_days(
    key: KeyKind, tmp_path: Path, need: Callable[[str], str]
) -> None:
    settings = write_ca(tmp_path, key)
    root = x509.load_pem_x509_certificate(settings.certificate.read_bytes())
    assert root.not_valid_after_utc - root.not_valid_before_utc == timedelta(days=3650, seconds=-1)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    command = [need("openssl"), "verify", "-x509_strict", "-check_ss_sig", "-no-CApath", "-no-CAstore"]
    command += ["-attime", str(int(NOW.timestamp()) + 1), "-CAfile", str(settings.certificate)]
    done = subprocess.run([*command, str(settings.certificate)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_made_key_is_opened_by_openssl_with_its_passphrase_only(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    settings = write_ca(tmp_path, "p256")
    command = [need("openssl"), "pkey", "-in", str(settings.key), "-noout", "-passin"]
    good, bad = (
        subprocess.run([*command, f"pass:{p}"], capture_output=True, check=False).returncode
        for p in (PASSPHRASE, "wrong")
    )
    assert (good, bad != 0) == (0, True)
