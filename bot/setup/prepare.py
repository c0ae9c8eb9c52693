"""The work of `ringi init`: answers -> a directory that `ringi check` and `ringi run` can start from."""

import base64
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from bot.ca.local import LocalCa
from bot.ca.making import make_ca
from bot.ca.protocol import CaFault
from bot.config import Ca as CaSettings
from bot.config import SecretFault, load_config, read_passphrase
from bot.openpgp.keys import BotKey, GpgFault, make_bot_key
from bot.register import load_register
from bot.setup.answers import Answers, NewCa, OwnCa
from bot.setup.officer_key import Pin, read_officer_key
from bot.setup.questions import ask
from bot.setup.text import (
    CA_CERTIFICATE,
    CA_KEY,
    CA_PASSPHRASE,
    REGISTER,
    SMIME_ROOTS,
    config_text,
    institution_text,
    key_file,
    plain_url,
)
from bot.toml_file import TomlFault
from handlers.rules.scheme import Scheme

__all__ = ["Answers", "Prepared", "SetupFault", "ask", "prepare"]

_CONFIG = Path("config.toml")
_STATE = Path("state")
_GPG_HOME = _STATE / "gnupg"
_BOT_KEY = Path("bot-key.asc")
_NO_KEY_YET = Pin(Scheme.OPENPGP, "0" * 40)
_PASSPHRASE_BYTES = 24
# it becomes a file name
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class SetupFault(Exception):
    """Nothing was set up, or only a part: every reason at once, and the files that were written."""

    temporary = False

    def __init__(self, faults: list[str], written: tuple[Path, ...] = ()) -> None:
        left = [f"{path} was written already: remove it before the next try" for path in written]
        super().__init__("\n".join([*faults, *left]))
        self.faults = tuple(faults)
        self.written = written


@dataclass(frozen=True)
class Prepared:
    """`fingerprint`: of the bot's new OpenPGP key, None where no officer has one. `to_do`: what is left for a
    person. `next_steps`: until it runs."""

    config: Path
    fingerprint: str | None
    written: tuple[Path, ...]
    to_do: tuple[str, ...]
    next_steps: tuple[str, str, str]


@dataclass(frozen=True)
class _File:
    """A file to write; `path` is relative to the new directory."""

    path: Path
    content: bytes
    mode: int = 0o644


def prepare(directory: Path, answers: Answers, *, now: datetime, random: Callable[[int], bytes]) -> Prepared:
    """Write everything into `directory`, which may exist; no file that is there already is touched.

    `random`: n -> n unguessable bytes, for the CA's passphrase. Raises SetupFault.
    """
    directory = directory.absolute()
    pins, faults = _read_officer_keys(answers)
    faults += [
        f"{path} exists already: move it away, or choose another directory"
        for path in (directory / name for name in _names(answers, pins))
        if path.exists()
    ]
    faults += _smime_faults(answers, pins)
    faults += _value_faults(answers, pins, now)
    if isinstance(answers.ca, OwnCa):
        faults += _ca_faults(directory, answers.ca, now)
    if faults:
        raise SetupFault(faults)
    written: list[Path] = []
    try:
        (directory / _STATE).mkdir(mode=0o700, parents=True, exist_ok=True)
        # first, for it is what fails most easily
        fingerprint = _make_bot_key(directory, answers) if _needs_gpg(pins) else None
        if fingerprint:
            written.append(directory / _GPG_HOME)
        for file in _files(directory, answers, fingerprint, pins, now, random):
            _write_new(directory / file.path, file.content, file.mode)
            written.append(directory / file.path)
    except (OSError, GpgFault) as error:
        raise SetupFault([str(error)], tuple(written)) from error
    to_do = tuple(_to_do(directory, answers, pins))
    return Prepared(directory / _CONFIG, fingerprint, tuple(written), to_do, _next_steps(directory, answers))


def _needs_gpg(pins: list[Pin]) -> bool:
    """With nobody who brings a certificate, too: OpenPGP is what a desk without officers starts from."""
    return not pins or any(pin.scheme is Scheme.OPENPGP for pin in pins)


def _read_officer_keys(answers: Answers) -> tuple[list[Pin], list[str]]:
    """The officers' keys, in order, and what is wrong with their files."""
    pins: list[Pin] = []
    faults: list[str] = []
    for officer in answers.officers:
        try:
            pins.append(read_officer_key(officer.key_file))
        except OSError as error:
            pins.append(_NO_KEY_YET)
            faults.append(f"officer {officer.id}: {officer.key_file}: {error.strerror}")
        except (ValueError, GpgFault) as error:
            pins.append(_NO_KEY_YET)
            faults.append(f"officer {officer.id}: {error}")
    return pins, faults


def _smime_faults(answers: Answers, pins: list[Pin]) -> Iterator[str]:
    if answers.smime is None:
        if any(pin.scheme is Scheme.SMIME for pin in pins):
            yield "an officer brings an S/MIME certificate: name the file with the roots that vouch for it"
        return
    try:
        x509.load_pem_x509_certificates(answers.smime.roots.read_bytes())
    except OSError as error:
        yield f"{answers.smime.roots}: {error.strerror}"
    except ValueError:
        yield f"{answers.smime.roots} holds no certificate in PEM"


def _names(answers: Answers, pins: list[Pin]) -> Iterator[Path]:
    """What will be made, relative to the directory."""
    yield _CONFIG
    if _needs_gpg(pins):
        yield from (_GPG_HOME, _BOT_KEY)
    if answers.smime:
        yield SMIME_ROOTS
    yield REGISTER / f"{answers.institution.id}.toml"
    for officer, pin in zip(answers.officers, pins, strict=True):
        yield REGISTER / key_file(answers.institution, officer, pin)
    if isinstance(answers.ca, NewCa):
        yield from (CA_KEY, CA_CERTIFICATE, CA_PASSPHRASE)


def _value_faults(answers: Answers, pins: list[Pin], now: datetime) -> list[str]:
    """What the program itself would say about the two TOML files."""
    if not _PLAIN_NAME.fullmatch(answers.institution.id):
        return [f"the institution's id {answers.institution.id!r}: lower case letters, digits, . _ - only"]
    officers = zip(answers.officers, pins, strict=True)
    register = institution_text(answers.institution, officers, now.date())
    config = config_text(answers, _NO_KEY_YET.fingerprint if _needs_gpg(pins) else None, now.date())
    return [
        *_load_faults(_CONFIG.name, config, load_config),
        *_load_faults(f"{answers.institution.id}.toml", register, lambda path: load_register(path.parent)),
    ]


def _load_faults(name: str, text: str, load: Callable[[Path], object]) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="ringi-init-") as folder:
        try:
            (Path(folder) / name).write_bytes(text.encode())
            load(Path(folder) / name)
        except UnicodeEncodeError:
            return [f"{name}: an answer is not UTF-8"]
        except TomlFault as fault:
            return [f"{name}: {one.where or 'text'}: {one.message}" for one in fault.faults]
    return []


def _ca_faults(directory: Path, ca: OwnCa, now: datetime) -> list[str]:
    settings = CaSettings(
        key=directory / ca.key,
        certificate=directory / ca.certificate,
        chain=directory / ca.chain if ca.chain else None,
        passphrase_file=directory / ca.passphrase_file if ca.passphrase_file else None,
    )
    try:
        LocalCa.open(settings, read_passphrase(settings), now=now)
    except (CaFault, SecretFault) as fault:
        return [str(fault)]
    return []


def _make_bot_key(directory: Path, answers: Answers) -> str:
    # no passphrase: it would have to lie beside the key
    return make_bot_key(directory / _GPG_HOME, answers.name, answers.address, None)


def _files(
    directory: Path,
    answers: Answers,
    fingerprint: str | None,
    pins: list[Pin],
    now: datetime,
    random: Callable[[int], bytes],
) -> Iterator[_File]:
    """Everything but the gpg home. The configuration comes last: where it is, all is there."""
    if fingerprint:
        yield _File(_BOT_KEY, BotKey(directory / _GPG_HOME, fingerprint, None).export())
    if answers.smime:
        yield _File(SMIME_ROOTS, answers.smime.roots.read_bytes())
    if isinstance(answers.ca, NewCa):
        yield from _ca_files(answers.ca, now, random)
    officers = list(zip(answers.officers, pins, strict=True))
    for officer, pin in officers:
        yield _File(REGISTER / key_file(answers.institution, officer, pin), officer.key_file.read_bytes())
    institution = institution_text(answers.institution, officers, now.date())
    yield _File(REGISTER / f"{answers.institution.id}.toml", institution.encode())
    yield _File(_CONFIG, config_text(answers, fingerprint, now.date()).encode())


def _ca_files(ca: NewCa, now: datetime, random: Callable[[int], bytes]) -> Iterator[_File]:
    passphrase = ca.passphrase or base64.urlsafe_b64encode(random(_PASSPHRASE_BYTES)).decode()
    key, certificate = make_ca(ca.name, key=ca.key, days=ca.days, passphrase=passphrase, now=now)
    yield _File(CA_PASSPHRASE, passphrase.encode() + b"\n", 0o600)
    yield _File(CA_KEY, key, 0o600)
    yield _File(CA_CERTIFICATE, certificate)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Raises FileExistsError rather than touch what is there."""
    path.parent.mkdir(mode=0o700 if mode == 0o600 else 0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _to_do(directory: Path, answers: Answers, pins: list[Pin]) -> Iterator[str]:
    if answers.institution.vetted_until is None:
        register = directory / REGISTER / f"{answers.institution.id}.toml"
        yield f"vet the domains and enter vetted_until in {register}: until then applications are refused"
    if isinstance(answers.ca, NewCa):
        if answers.public_url.startswith("https://"):
            crl = f"{plain_url(answers.public_url)}/ca.crl"
            yield f"let the proxy pass {crl} (and /ca.cer) on without TLS: every certificate names them"
        yield f"copy {directory / CA_KEY} and {directory / CA_PASSPHRASE} to a safe place, each to its own"
    if _needs_gpg(pins):
        yield f"give {directory / _BOT_KEY} to the officers, so that their mail programs can check our mails"
    if answers.smime and answers.smime.certificate is None:
        yield "have an S/MIME certificate issued for the bot and name it in [smime]: until then its mails are unsigned"


def _next_steps(directory: Path, answers: Answers) -> tuple[str, str, str]:
    config = shlex.quote(str(directory / _CONFIG))
    secrets = "; ".join(_secrets(directory, answers))
    look = f"read {directory / _CONFIG} and {directory / REGISTER}: all can still be changed"
    return (
        secrets or look,
        f"run `ringi check --config {config} --probe`, and do what it says until nothing is WRONG",
        f"run `ringi run --config {config}`, and mail ヘルプ to {answers.address}",
    )


def _secrets(directory: Path, answers: Answers) -> Iterator[str]:
    """What has still to be entered to log in."""
    servers = (answers.imap, answers.smtp)
    for path, user in {directory / s.password_file: s.user for s in servers if s.password_file}.items():
        if not path.exists():
            quoted = shlex.quote(str(path))
            what = answers.mail_server.secret
            yield f"put {what} of {user} into {path}, made by: install -m 600 /dev/null {quoted}"
    for command in dict.fromkeys(s.token_command for s in servers if s.token_command):
        yield f"see that `{command}` prints an OAuth2 access token"
