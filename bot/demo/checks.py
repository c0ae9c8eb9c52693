"""Independent checks: gpg, openssl, hashlib and cryptography judge the service, none of its own code.

One exception: where there is no openssl, S/MIME is judged by the service's own verifier (`bot.demo.smime`).
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from bot.demo.mailbox import parse

_SECONDS = 60
# the order in which the manual prints a DN, one part a line
_DN_ORDER = ("CN", "OU", "O", "L", "ST", "C")


class NotHeld(Exception):
    """What was to hold did not; the text says what was seen."""

    temporary = False


def require(condition: object, seen: str) -> None:
    """Raise NotHeld with `seen` unless `condition`."""
    if not condition:
        raise NotHeld(seen)


def code_of(sheet: bytes) -> str:
    """A sheet's code as people read it: the first 32 hex digits of its SHA-256, in groups of eight."""
    digest = hashlib.sha256(sheet).hexdigest()
    return "-".join(digest[i : i + 8] for i in range(0, 32, 8))


def dn_lines(certificate: x509.Certificate) -> list[str]:
    """`CN=…`, `O=…`: the subject as the manual prints it."""
    parts = [part.rfc4514_string() for part in certificate.subject]
    return sorted(parts, key=lambda part: _DN_ORDER.index(part.partition("=")[0]))


def cut_signed_mail(raw: bytes) -> tuple[bytes, bytes]:
    """The signed bytes of a multipart/signed mail, cut out between its boundary lines, and the signature part."""
    mail = parse(raw)
    require(mail.get_content_type() == "multipart/signed", "the mail is not signed")
    boundary = str(mail.get_boundary()).encode()
    pieces = raw.split(b"\r\n--" + boundary)
    require(len(pieces) == 4, "the signed mail has not exactly two parts")
    return pieces[1].removeprefix(b"\r\n"), pieces[2].removeprefix(b"\r\n")


def verify_openpgp(raw: bytes, gpg_home: Path, fingerprint: str) -> None:
    """gpg finds one good signature of that primary key over the first part (RFC 3156), else NotHeld."""
    signed, seal = cut_signed_mail(raw)
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        Path(folder, "signed").write_bytes(signed)
        Path(folder, "signature.asc").write_bytes(seal.partition(b"\r\n\r\n")[2])
        command = ["gpg", "--homedir", str(gpg_home), "--batch", "--no-tty", "--status-fd", "1", "--verify"]
        done = _run([*command, f"{folder}/signature.asc", f"{folder}/signed"])
    valid = re.findall(r"^\[GNUPG:\] VALIDSIG .*?(\w+)$", done.stdout.decode(errors="replace"), re.MULTILINE)
    require(
        done.returncode == 0 and valid == [fingerprint], f"gpg does not take the signature: {valid or 'none'}"
    )


def verify_cms(signed: bytes, signature: bytes, root: Path, address: str) -> None:
    """openssl finds a good signature (DER) by the holder of that address, whose certificate is good for e-mail."""
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        Path(folder, "signed").write_bytes(signed)
        Path(folder, "smime.p7s").write_bytes(signature)
        trust = ["-CAfile", str(root), "-no-CApath", "-no-CAstore", "-purpose", "smimesign"]
        rules = ["-verify_email", address, "-binary", "-inform", "DER"]
        files = ["-in", f"{folder}/smime.p7s", "-content", f"{folder}/signed", "-out", f"{folder}/out"]
        done = _run(["openssl", "cms", "-verify", *trust, *rules, *files])
    require(done.returncode == 0, f"openssl cms: {done.stderr.decode(errors='replace').strip()}")


def verify_chain(certificate: Path, chain: Path, root: Path, fqdn: str) -> str:
    """The certificate is good for a TLS server of that name under `root`; returns who said so, else NotHeld.

    `chain`: the PEM certificates between the two, possibly with the root itself.
    """
    if openssl := shutil.which("openssl"):
        return _verify_with_openssl(openssl, certificate, chain, root, fqdn)
    return verify_with_cryptography(certificate, chain, root, fqdn)


def _verify_with_openssl(openssl: str, certificate: Path, chain: Path, root: Path, fqdn: str) -> str:
    # without the two -no- options openssl would trust the system's store as well
    trust = ["-CAfile", str(root), "-no-CApath", "-no-CAstore", "-untrusted", str(chain)]
    rules = ["-x509_strict", "-purpose", "sslserver", "-verify_hostname", fqdn]
    done = _run([openssl, "verify", *trust, *rules, str(certificate)])
    require(
        done.returncode == 0,
        f"openssl verify: {(done.stderr or done.stdout).decode(errors='replace').strip()}",
    )
    return "openssl verify -x509_strict -purpose sslserver: OK"


def verify_with_cryptography(certificate: Path, chain: Path, root: Path, fqdn: str) -> str:
    """The same judgement by `cryptography`."""
    store = Store(x509.load_pem_x509_certificates(root.read_bytes()))
    between = x509.load_pem_x509_certificates(chain.read_bytes())
    leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    verifier = PolicyBuilder().store(store).time(datetime.now(UTC)).build_server_verifier(x509.DNSName(fqdn))
    try:
        verifier.verify(leaf, [c for c in between if c != leaf])
    except VerificationError as error:
        raise NotHeld(f"cryptography's verifier: {error}") from error
    return "cryptography's verifier: OK (there is no openssl here)"


def is_revoked(certificate: Path, root: Path, crl: Path, at: datetime) -> bool:
    """Whether the list (DER), which must be the CA's and in force at `at`, names the certificate; else NotHeld.

    Where there is an openssl, it must see the same.
    """
    leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    found = x509.load_der_x509_crl(crl.read_bytes())
    key = x509.load_pem_x509_certificate(root.read_bytes()).public_key()
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    require(found.is_signature_valid(key), "the list's signature is not the CA's")
    end = found.next_update_utc
    require(found.last_update_utc <= at and end and at < end, "the list is not in force")
    is_listed = found.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
    if openssl := shutil.which("openssl"):
        said = _verify_with_crl(openssl, certificate, root, crl, at)
        fits = "certificate revoked" in said if is_listed else said.endswith(": OK")
        require(fits, f"the list names it: {is_listed}, and openssl says {said}")
    return is_listed


def _verify_with_crl(openssl: str, certificate: Path, root: Path, crl: Path, at: datetime) -> str:
    """What openssl prints; it takes the list as PEM."""
    pem = x509.load_der_x509_crl(crl.read_bytes()).public_bytes(Encoding.PEM)
    with tempfile.NamedTemporaryFile(prefix="ringi-", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        trust = ["-CAfile", str(root), "-no-CApath", "-no-CAstore", "-CRLfile", file.name]
        when = ["-crl_check", "-attime", str(int(at.timestamp()))]
        done = _run([openssl, "verify", *trust, *when, str(certificate)])
    return (done.stdout + done.stderr).decode(errors="replace").strip()


def matches(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> bool:
    """Whether the certificate is for the public half of this key."""
    return certificate.public_key() == key.public_key()


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)
