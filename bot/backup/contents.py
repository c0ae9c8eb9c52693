"""Which files a backup has beside the two databases, and which secrets it must not have."""

from collections.abc import Iterator
from pathlib import Path

from bot.config import Ca, Config, OpenPGP, Server, Smime

_PRIVATE = b"PRIVATE KEY"


def files_of(config: Config, config_file: Path) -> Iterator[Path]:
    """All that is there, each once, in a stable order. A file that holds a private key is left out, whoever names it:
    a copy of everything must open nothing."""
    seen: set[Path] = set()
    for path in _named(config, config_file):
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            if file.is_file() and file not in seen and _PRIVATE not in file.read_bytes():
                seen.add(file)
                yield file


def left_out(config: Config) -> tuple[str, ...]:
    """What else a restored desk needs, in words."""
    return tuple(
        [
            *_of_ca(config.ca),
            *(_of_openpgp(config.openpgp) if config.openpgp else ()),
            *(_of_smime(config.smime) if config.smime else ()),
            *_of_server("IMAP", config.imap),
            *_of_server("SMTP", config.smtp),
        ]
    )


def _named(config: Config, config_file: Path) -> Iterator[Path]:
    yield config_file
    yield config.register_dir
    smime = config.smime
    named = [config.blocked_keys, config.ca.certificate, config.ca.chain]
    named += [config.imap.ca_file, config.smtp.ca_file]
    if smime:
        named += [smime.ca_file, smime.certificate, smime.chain, smime.crl_dir]
        named += [Path(source) for source in smime.crl_sources if "://" not in source]
    yield from (path for path in named if path is not None)


def _of_ca(ca: Ca) -> Iterator[str]:
    yield f"the CA's key: {ca.key or 'in the token that [ca] pkcs11 names'}"
    if ca.passphrase_file:
        yield f"the passphrase or PIN of the CA's key: {ca.passphrase_file}"
    if ca.credential:
        yield f"the passphrase or PIN of the CA's key: the systemd credential {ca.credential}"


def _of_openpgp(settings: OpenPGP) -> Iterator[str]:
    yield f"the bot's OpenPGP key: the folder {settings.home}"
    if settings.passphrase_file:
        yield f"its passphrase: {settings.passphrase_file}"


def _of_smime(settings: Smime) -> Iterator[str]:
    if settings.key:
        yield f"the bot's S/MIME key: {settings.key}"
    if settings.passphrase_file:
        yield f"its passphrase: {settings.passphrase_file}"


def _of_server(name: str, server: Server) -> Iterator[str]:
    if server.password_file:
        yield f"the password for {name}: {server.password_file}"
    if server.token_command:
        yield f"what the token_command for {name} needs to print a token"
