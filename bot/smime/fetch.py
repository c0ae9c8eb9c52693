"""Fetches the revocation lists of the officers' CAs into `crl_dir`, where the verifiers read them (threats CMS6)."""

import hashlib
import http.client
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from bot.config import Smime
from bot.register import RegisterFault
from bot.smime.crl_files import crl_der, is_signed_by, parse_crl
from bot.smime.pins import load_roots

_SECONDS = 10.0  # for any one answer of a server
_SECONDS_IN_ALL = 60.0  # for one list
_LARGEST = 32 * 1024 * 1024  # bytes
_AHEAD = timedelta(minutes=60)  # a CA's clock may be before ours
_CHUNK = 65536


@dataclass(frozen=True)
class FetchFault:
    """Why the list of one source could not be renewed; the one we have stays. It may pass by itself."""

    source: str
    message: str

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


@dataclass(frozen=True)
class EndingList:
    """A source whose list is missing or ends before long, and what is wrong with it in words."""

    source: str
    state: str


class _SourceFault(Exception):
    """Becomes a FetchFault of its source."""


def fetch_crls(settings: Smime, now: datetime, issuers: Iterable[x509.Certificate] = ()) -> list[FetchFault]:
    """Renews the list of every source. `issuers`: CAs below the roots whose signatures can be checked already now.

    A list whose CA is not known yet is taken on trust of its source, for the verifier looks at every signature.
    """
    try:
        known = (*load_roots(settings.ca_file), *issuers)
    except RegisterFault as fault:
        return [FetchFault(str(settings.ca_file), str(fault))]
    faults = []
    for source in settings.crl_sources:
        try:
            _renew(source, crl_path(settings, source), known, now)
        except _SourceFault as fault:
            faults.append(FetchFault(source, str(fault)))
    return faults


def is_fetch_due(settings: Smime, now: datetime) -> bool:
    """Whether some list is missing, or past half of its time."""
    return any(_is_past_half(read_kept(settings, source), now) for source in settings.crl_sources)


def ending_lists(settings: Smime, now: datetime) -> tuple[EndingList, ...]:
    """What the monitors must hear: each source whose list is missing, has ended, or ends before long."""
    told = []
    for source in settings.crl_sources:
        crl = read_kept(settings, source)
        if crl is None or crl.next_update_utc is None:
            told.append(EndingList(source, "no list"))
        elif crl.next_update_utc - now < warning_time(crl.next_update_utc - crl.last_update_utc):
            told.append(EndingList(source, f"the list holds until {crl.next_update_utc:%Y-%m-%d %H:%M} UTC"))
    return tuple(told)


def crl_path(settings: Smime, source: str) -> Path:
    return settings.crl_dir / f"{hashlib.sha256(source.encode()).hexdigest()}.crl"


def read_kept(settings: Smime, source: str) -> x509.CertificateRevocationList | None:
    """The list that we have from `source`; None where there is none that can be read."""
    return _read_list(crl_path(settings, source))


def _read_list(file: Path) -> x509.CertificateRevocationList | None:
    try:
        return parse_crl(file.read_bytes())
    except (OSError, ValueError):
        return None


def warning_time(validity: timedelta) -> timedelta:
    """How long before its end: a quarter of its time; a day for short ones, but never more than half of it."""
    return max(validity / 4, min(timedelta(days=1), validity / 2))


def _is_past_half(crl: x509.CertificateRevocationList | None, now: datetime) -> bool:
    if crl is None or crl.next_update_utc is None:
        return True
    return now >= crl.last_update_utc + (crl.next_update_utc - crl.last_update_utc) / 2


def _renew(source: str, file: Path, known: tuple[x509.Certificate, ...], now: datetime) -> None:
    try:
        crl = parse_crl(_read_source(source))
    except ValueError as error:
        raise _SourceFault(str(error)) from error
    if crl.next_update_utc is None:
        raise _SourceFault("the list has no nextUpdate: it would never be fresh")
    if crl.last_update_utc > now + _AHEAD:
        raise _SourceFault(f"the list begins in the future: {crl.last_update_utc:%Y-%m-%d %H:%M} UTC")
    old = _read_list(file)
    _require_issuer(crl, old, known)
    if old is None or crl.last_update_utc > old.last_update_utc:
        _replace(file, crl_der(crl))
    if crl.next_update_utc <= now:
        raise _SourceFault(f"the list is stale: it ended at {crl.next_update_utc:%Y-%m-%d %H:%M} UTC")


def _require_issuer(
    crl: x509.CertificateRevocationList,
    old: x509.CertificateRevocationList | None,
    known: tuple[x509.Certificate, ...],
) -> None:
    """A list of nobody we know must not push out a good one."""
    same_name = [ca for ca in known if ca.subject == crl.issuer]
    if same_name and not any(is_signed_by(crl, ca) for ca in same_name):
        raise _SourceFault(f"the list is not signed by {crl.issuer.rfc4514_string()}")
    if not same_name and old is not None and old.issuer != crl.issuer:
        raise _SourceFault(
            f"the list is of {crl.issuer.rfc4514_string()}, whom we don't know, and no longer of the same CA"
        )


def _replace(file: Path, content: bytes) -> None:
    """The whole file or nothing; everybody may read it: the signer may be another user, and lists are public."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as new:
                new.write(content)
                new.flush()
                os.fsync(new.fileno())
            os.chmod(name, 0o644)
            os.replace(name, file)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise _SourceFault(f"can't be kept in {file.parent}: {error.strerror}") from error


def _read_source(source: str) -> bytes:
    if source.startswith(("http://", "https://")):
        return _download(source)
    try:
        with Path(source).open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise _SourceFault(f"cannot be read: {error.strerror}") from error
    _require_size(content)
    return content


def _download(url: str) -> bytes:
    end = time.monotonic() + _SECONDS_IN_ALL
    content = bytearray()
    try:
        with _open_web().open(url, timeout=_SECONDS) as answer:
            while chunk := answer.read1(_CHUNK):
                content += chunk
                _require_size(content)
                if time.monotonic() > end:
                    raise _SourceFault(f"is not there after {_SECONDS_IN_ALL:.0f} s")
    except urllib.error.HTTPError as error:
        error.close()
        raise _SourceFault(f"the server answered {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _SourceFault(f"cannot be fetched: {error}") from error
    return bytes(content)


def _open_web() -> urllib.request.OpenerDirector:
    """http and https and nothing else, also after a redirect: the usual opener knows file: and ftp: too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _require_size(content: bytes | bytearray) -> None:
    if len(content) > _LARGEST:
        raise _SourceFault(f"is larger than {_LARGEST} bytes")
