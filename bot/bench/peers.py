"""Other programs that sign certificates, on the same requests and with the same kind of key."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.bench.bare import DAYS, BareCa
from bot.bench.desk import HOST, free_port
from bot.bench.result import BenchFault

_PATIENCE = 20.0
_OPENSSL = """
[ca]
default_ca = bench
[bench]
dir = {folder}
database = $dir/index.txt
new_certs_dir = $dir/new
rand_serial = yes
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_days = {days}
policy = policy
x509_extensions = server
copy_extensions = copy
unique_subject = no
[policy]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
commonName = supplied
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:{crl_url}
authorityInfoAccess = caIssuers;URI:{issuer_url}
"""


def write_ca(folder: Path, ca: BareCa) -> None:
    """Its key and certificate as files, the key without a passphrase."""
    folder.mkdir(parents=True)
    pem = ca.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "ca.key").write_bytes(pem)
    (folder / "ca.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))


def openssl_ca(folder: Path, ca: BareCa, requests: Sequence[x509.CertificateSigningRequest]) -> float | None:
    """Wall seconds of one `openssl ca -batch -infiles`; None where there is no openssl. BenchFault where it fails."""
    if shutil.which("openssl") is None:
        return None
    write_ca(folder, ca)
    (folder / "new").mkdir()
    (folder / "index.txt").touch()
    text = _OPENSSL.format(folder=folder, days=DAYS, crl_url=ca.crl_url, issuer_url=ca.issuer_url)
    (folder / "openssl.cnf").write_text(text)
    names = []
    for n, request in enumerate(requests):
        names.append(f"{n}.csr")
        (folder / names[-1]).write_bytes(request.public_bytes(Encoding.PEM))
    command = ["openssl", "ca", "-batch", "-notext", "-config", "openssl.cnf", "-out", "out", "-infiles"]
    begin = time.perf_counter()
    done = subprocess.run([*command, *names], cwd=folder, capture_output=True, check=False)
    seconds = time.perf_counter() - begin
    made = len(list((folder / "new").iterdir()))
    if done.returncode or made != len(requests):
        raise BenchFault(f"openssl ca made {made} of {len(requests)}: {done.stderr[-300:].decode()}")
    return seconds


@contextmanager
def _cfssl(folder: Path):  # type: ignore[no-untyped-def]
    port = free_port()
    rules = {
        "signing": {"default": {"usages": ["digital signature", "server auth"], "expiry": f"{DAYS * 24}h"}}
    }
    (folder / "rules.json").write_text(json.dumps(rules))
    command = ["cfssl", "serve", "-address", HOST, "-port", str(port), "-ca", "ca.pem", "-ca-key", "ca.key"]
    log = (folder / "log").open("wb")
    with (
        log,
        subprocess.Popen([*command, "-config", "rules.json"], cwd=folder, stdout=log, stderr=log) as server,
    ):
        try:
            _wait_for(port, server)
            yield port
        finally:
            server.terminate()


def cfssl_serve(folder: Path, ca: BareCa, requests: Sequence[x509.CertificateSigningRequest]) -> float | None:
    """Wall seconds for as many questions to `cfssl serve`, one after the other on one connection; None where there is
    none."""
    if shutil.which("cfssl") is None:
        return None
    write_ca(folder, ca)
    bodies = [json.dumps({"certificate_request": r.public_bytes(Encoding.PEM).decode()}) for r in requests]
    with _cfssl(folder) as port:
        connection = HTTPConnection(HOST, port, timeout=_PATIENCE)
        begin = time.perf_counter()
        for body in bodies:
            connection.request("POST", "/api/v1/cfssl/sign", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if not json.loads(answer.read())["success"]:
                raise BenchFault("cfssl did not sign")
        seconds = time.perf_counter() - begin
        connection.close()
    return seconds


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise BenchFault("cfssl serve did not start")
