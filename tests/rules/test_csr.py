"""The CSR column (threats CSR1, CSR2, CSR5)."""

import base64
import hashlib
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from handlers.rules.csr import Csr, check_csr, has_private_key
from handlers.rules.profile import Profile
from handlers.rules.row_errors import RowError
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from handlers.rules.weak_keys import find_rsa_weakness
from tests.rules.issue_rows import DN, csr_der, ec_key, good_csr, one_line, rsa_key, subject
from tests.rules.weak_rsa import close_primes_key, roca_key

RSA = Profile(id=3, key="rsa2048")
EC = Profile(id=11, key="p384", digest="sha384")


def parse(dn: str) -> SubjectDN:
    parsed = parse_subject_dn(dn)
    assert isinstance(parsed, SubjectDN)
    return parsed


def read(text: str, profile: Profile = RSA, dn: str = DN) -> tuple[Csr | None, list[int]]:
    csr, errors = check_csr(text, profile, parse(dn))
    return csr, [error.code for error in errors]


def codes(text: str, profile: Profile = RSA) -> list[int]:
    return read(text, profile)[1]


def pem(der: bytes, label: str = "CERTIFICATE REQUEST") -> str:
    body = base64.b64encode(der).decode()
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(one_line(csr_der()), id="bare base64"),
        pytest.param(pem(csr_der()).replace("\n", ""), id="line breaks removed"),
        pytest.param(pem(csr_der()).replace("\n", " "), id="line breaks replaced by spaces"),
        pytest.param(pem(csr_der(), "NEW CERTIFICATE REQUEST").replace("\n", ""), id="NEW"),
        pytest.param(pem(csr_der()), id="as the file"),
        pytest.param(
            " ".join(one_line(csr_der())[i : i + 64] for i in range(0, 1200, 64)), id="base64 in pieces"
        ),
    ],
)
def test_CSR1_each_form_people_paste_is_the_same_request(text: str) -> None:
    csr, found = read(text)
    assert found == []
    assert csr is not None
    assert csr.der == csr_der()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("CSR", id="a word"),
        pytest.param(one_line(csr_der())[:-8], id="cut at the end"),
        pytest.param(one_line(csr_der())[8:], id="cut at the start"),
        pytest.param(one_line(csr_der()) + "====", id="padding after the end"),
        pytest.param(one_line(csr_der() + b"\0"), id="a byte after the end"),
        pytest.param(one_line(csr_der() + csr_der()), id="two requests in one"),
        pytest.param(pem(csr_der()) + pem(csr_der()), id="two requests"),
        pytest.param(pem(csr_der()).split("-----END")[0], id="BEGIN without END"),
        pytest.param("Subject: me " + pem(csr_der()), id="text before"),
        pytest.param(pem(csr_der(), "CERTIFICATE"), id="another label"),
        pytest.param(one_line(csr_der()[:-1] + bytes([csr_der()[-1] ^ 1])), id="signature changed"),
        pytest.param(one_line(csr_der().replace(b"test1", b"test2")), id="signed content changed"),
    ],
)
def test_CSR1_anything_but_one_whole_signed_request_is_903(text: str) -> None:
    csr, found = read(text)
    assert csr is None
    assert found == [903]


def test_CSR1_no_changed_byte_gets_through_and_none_makes_the_check_raise() -> None:
    for der, profile in ((csr_der(), RSA), (csr_der(key=ec_key(), digest=hashes.SHA384()), EC)):
        assert codes(one_line(der), profile) == []
        for place in range(len(der)):
            for change in (0x01, 0x20, 0x80, 0xFF):
                spoilt = der[:place] + bytes([der[place] ^ change]) + der[place + 1 :]
                assert codes(one_line(spoilt), profile), (place, change)
            assert codes(one_line(der[:place]), profile) == [903]


def test_CSR1_a_signature_with_unused_bits_is_another_encoding_and_refused() -> None:
    requests = (csr_der(DN.replace("test1", f"test{n}")) for n in range(100))
    der = next(der for der in requests if der[-1] % 2 == 0)
    place = len(der) - 256 - 1
    assert der[place - 5 : place + 1] == b"\x00\x03\x82\x01\x01\x00"
    assert codes(one_line(der[:place] + b"\x01" + der[place + 1 :])) == [903]


def test_CSR1_a_long_form_length_is_not_der() -> None:
    der = csr_der()
    assert der[:2] == b"\x30\x82"
    assert codes(one_line(b"\x30\x83\x00" + der[2:])) == [903]


def test_CSR1_sha1_is_refused_unless_the_profile_takes_it() -> None:
    der = sha1_request()
    assert codes(one_line(der)) == [927]
    old_tools = Profile(id=3, key="rsa2048", csr_digests=("sha1", "sha256"))
    assert codes(one_line(der), old_tools) == []
    assert codes(one_line(der[:-1] + bytes([der[-1] ^ 1])), old_tools) == [903]


def sha1_request() -> bytes:
    """The good request signed anew with SHA-1, put together by hand: the library makes none."""
    request = x509.load_der_x509_csr(csr_der())
    signed = request.tbs_certrequest_bytes
    signature = rsa_key().sign(signed, padding.PKCS1v15(), hashes.SHA1())
    algorithm = bytes.fromhex("300d06092a864886f70d0101050500")
    inner = signed + algorithm + b"\x03\x82" + (len(signature) + 1).to_bytes(2, "big") + b"\0" + signature
    return b"\x30\x82" + len(inner).to_bytes(2, "big") + inner


def test_CSR2_the_key_is_exactly_what_the_profile_says() -> None:
    p384 = one_line(csr_der(key=ec_key(), digest=hashes.SHA384()))
    assert codes(good_csr()) == []
    assert codes(p384, EC) == []
    assert codes(p384) == [905]
    assert codes(good_csr(), EC) == [905]
    assert codes(one_line(csr_der(key=rsa_key(bits=1024)))) == [905]
    assert codes(one_line(csr_der(key=rsa_key(bits=3072)))) == [905]
    assert codes(one_line(csr_der(key=rsa_key(bits=3072))), Profile(id=3, key="rsa3072")) == []
    assert codes(one_line(csr_der(key=ec_key(curve=ec.SECP256R1))), EC) == [905]
    assert codes(one_line(csr_der(key=ec_key(curve=ec.SECP256R1))), Profile(id=11, key="p256")) == []


def test_CSR2_a_key_of_another_kind_is_told_by_its_name() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(DN))
    der = builder.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.DER)
    csr, errors = check_csr(one_line(der), RSA, parse(DN))
    assert csr is not None
    assert csr.public_key == "Ed25519"
    assert errors[0] == RowError(905, 7, "CSR", ("Ed25519", "RSA 2048"))


def test_CSR2_a_small_exponent_is_refused() -> None:
    key = rsa.generate_private_key(3, 2048)
    assert codes(one_line(csr_der(key=key))) == [919]
    n = rsa_key().public_key().public_numbers().n
    assert [find_rsa_weakness(n, e) is None for e in (3, 65535, 65536, 65537, 65538, 65539)] == [
        False,
        False,
        False,
        True,
        False,
        True,
    ]


def test_CSR2_a_small_factor_is_refused() -> None:
    q = rsa_key().private_numbers().q
    assert find_rsa_weakness(751 * q, 65537) == "small factor"
    assert find_rsa_weakness(2 * q, 65537) == "small factor"
    assert find_rsa_weakness(757 * q, 65537) is None


def test_CSR2_primes_too_close_to_each_other_are_refused() -> None:
    assert codes(one_line(csr_der(key=close_primes_key()))) == [919]
    p = rsa_key().private_numbers().p
    assert find_rsa_weakness(p * p, 65537) == "Fermat, CVE-2022-26320"
    # half the distance is 2, 4, 6, …: its square leaves 4 or 0 modulo 8
    near = {find_rsa_weakness(p * (p + distance), 65537) for distance in range(4, 4000, 4)}
    assert near == {"small factor", "Fermat, CVE-2022-26320"}


def test_CSR2_the_keys_of_the_broken_chips_are_refused() -> None:
    assert roca_key().key_size == 2048
    assert find_rsa_weakness(roca_key().public_key().public_numbers().n, 65537) == "ROCA, CVE-2017-15361"
    assert codes(one_line(csr_der(key=roca_key()))) == [919]


def test_CSR2_a_key_on_the_operators_list_is_refused() -> None:
    csr, errors = check_csr(good_csr(), RSA, parse(DN))
    assert csr is not None
    assert errors == ()
    _, errors = check_csr(good_csr(), RSA, parse(DN), frozenset({csr.public_key_sha256}))
    assert [error.code for error in errors] == [919]


def test_the_public_key_is_named_by_the_digest_of_its_spki() -> None:
    csr, _ = read(good_csr())
    spki = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert csr is not None
    assert csr.public_key_sha256 == hashlib.sha256(spki).hexdigest()
    assert csr.public_key == "RSA 2048"


def test_the_order_of_attributes_inside_the_csr_does_not_matter() -> None:
    backwards = x509.Name(list(subject(DN))[::-1])
    assert codes(one_line(csr_der(backwards))) == []


@pytest.mark.parametrize(
    "dn",
    [
        pytest.param(DN.replace("Tokyo", "Osaka"), id="another value"),
        pytest.param(DN.replace("O=testkikan", "O=Testkikan"), id="another case"),
        pytest.param(DN.replace(",O=", ",OU=Library,O="), id="one more"),
        pytest.param(DN.replace(",L=Chiyoda-ku", ""), id="one less"),
    ],
)
def test_a_subject_other_than_column_1_is_904(dn: str) -> None:
    assert codes(one_line(csr_der(dn))) == [904]


def test_an_attribute_outside_the_profile_is_904() -> None:
    name = x509.Name([*subject(DN), x509.NameAttribute(NameOID.GIVEN_NAME, "Taro")])
    assert codes(one_line(csr_der(name))) == [904]


def test_a_country_of_three_letters_is_904_and_no_warning_of_the_library() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test1.example.ac.jp")])
    der = csr_der(name).replace(b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x06")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert codes(one_line(resign(der))) == [904]
    assert seen == []


def resign(der: bytes) -> bytes:
    """The request with a signature made anew over what it now says."""
    signed = x509.load_der_x509_csr(der).tbs_certrequest_bytes
    signature = rsa_key().sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return der[: -len(signature)] + signature


def test_a_mail_address_in_the_subject_is_928() -> None:
    name = x509.Name([*subject(DN), x509.NameAttribute(NameOID.EMAIL_ADDRESS, "taro@example.ac.jp")])
    assert codes(one_line(csr_der(name))) == [928]


def test_a_mail_address_among_the_names_is_928_and_host_names_there_are_only_noted() -> None:
    host = x509.DNSName("Other.example.ac.jp")
    csr, found = read(one_line(csr_der(names=(host,))))
    assert found == []
    assert csr is not None
    assert csr.dns_names == ("other.example.ac.jp",)
    assert codes(one_line(csr_der(names=(host, x509.RFC822Name("taro@example.ac.jp"))))) == [928]


PKCS8 = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PKCS1 = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
SEC1 = ec_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
LOCKED = ec_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
OPENSSH = ec_key().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
P12 = pkcs12.serialize_key_and_certificates(b"x", ec_key(), None, None, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    "key", [PKCS8, PKCS1, SEC1, LOCKED, OPENSSH], ids=["8", "1", "sec1", "locked", "openssh"]
)
def test_CSR5_a_private_key_anywhere_in_the_file_is_seen(key: bytes) -> None:
    line = DN.encode() + b"\t3\t\t\t\t\t"
    assert has_private_key(key)
    assert has_private_key(line + key.replace(b"\n", b" ") + b"\t")
    assert has_private_key(line + key.replace(b"\n", b"") + b"\t")
    assert has_private_key(line + key.replace(b"\n", b"").replace(b" ", b"") + b"\t")
    assert has_private_key(line + key.replace(b"\n", b"\r\n"))
    assert has_private_key(key.decode().encode("utf-16"))


@pytest.mark.parametrize("key", [PKCS8, PKCS1, SEC1], ids=["8", "1", "sec1"])
def test_CSR5_a_private_key_without_its_marker_lines_is_seen(key: bytes) -> None:
    body = b"".join(key.splitlines()[1:-1])
    assert has_private_key(DN.encode() + b"\t3\t\t\t\t\t" + body + b"\t")
    assert has_private_key(base64.b64decode(body))


def test_CSR5_a_pkcs12_file_is_a_private_key() -> None:
    assert has_private_key(P12)
    assert has_private_key(b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(P12))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(good_csr().encode(), id="a request"),
        pytest.param(pem(csr_der()).encode(), id="a request in PEM"),
        pytest.param(csr_der(), id="a request in DER"),
        pytest.param("秘密鍵 PRIVATE KEY は送らないでください".encode("cp932"), id="talk of keys"),
        pytest.param(
            rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            id="a public key",
        ),
        pytest.param(
            rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1), id="a public key in PKCS#1"
        ),
    ],
)
def test_CSR5_what_is_public_is_no_private_key(data: bytes) -> None:
    assert not has_private_key(data)
