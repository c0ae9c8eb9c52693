"""A register with given keys, for tests that verify by them."""

from collections.abc import Mapping
from pathlib import Path

from bot.openpgp.keys import OfficerKeys
from handlers.rules.register import Institution, Register


def register_of(files: Mapping[str, tuple[str, bytes]], directory: Path, digest: str = "0" * 64) -> Register:
    """One institution `testkikan`. `files`: officer id -> fingerprint and key file, written to `directory`."""
    officers = []
    for name, (fingerprint, content) in files.items():
        (directory / f"{name}.asc").write_bytes(content)
        address = f"{name}@example.ac.jp"
        pin = {"fingerprint": fingerprint, "file": f"{name}.asc"}
        officers.append(
            {"id": name, "name": name, "addresses": [address], "notify": address, "openpgp": [pin]}
        )
    institution = Institution.model_validate(
        {
            "id": "testkikan",
            "digest": digest,
            "name": "試験機関",
            "domains": [{"name": "example.ac.jp"}],
            "organization": "testkikan",
            "state": "Tokyo",
            "locality": "Chiyoda-ku",
            "applicant_domains": ["example.ac.jp"],
            "officers": officers,
        }
    )
    return Register({"testkikan": institution}, digest)


def keys_of(files: Mapping[str, tuple[str, bytes]], directory: Path, gpg: str = "gpg") -> OfficerKeys:
    """The officers' keys, loaded from `directory`; the ring lies there too."""
    directory.mkdir(exist_ok=True)
    return OfficerKeys.load(register_of(files, directory), directory, directory / "rings", gpg)
