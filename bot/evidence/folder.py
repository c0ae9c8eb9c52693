"""Writes the evidence of one certificate as a folder: the files, a script that checks them, and how to read it."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from bot.evidence.gather import EvidenceFault
from handlers.rules.revocation_tsv import COMMENT

_HERE = Path(__file__).parent
# the words of a decision, and what the script reads them as; the longer before the shorter
_WORDS = (
    ("承認いたします", "APPROVE"),
    ("承認します", "APPROVE"),
    ("申請承認", "APPLY AND APPROVE"),
    ("失効承認", "APPROVE REVOCATION"),
    ("承認", "APPROVE"),
    ("申請", "APPLY"),
    ("却下", "DECLINE"),
    ("保留", "HOLD"),
    ("再開", "RESUME"),
    ("除く", "EXCEPT"),
    ("有効分のみ", "FAULTLESS-ONLY"),
    ("発行", "ISSUE"),
    ("更新", "RENEW"),
    ("失効", "REVOKE"),
    ("差出人", "From"),
    ("送信者", "From"),
    ("送信元", "From"),
    ("件名", "Sent"),
    ("返信先", "Sent"),
    ("送信日時", "Sent"),
    ("日時", "Sent"),
    ("日付", "Sent"),
    ("宛先", "Sent"),
    ("。", "."),
    ("─", "\001"),
)
_SEALED = ("README.txt", "SHA256SUMS", "verify.sh")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> str:
    """Write `files` into `folder`, which must be new or empty, and what checks them. Raises EvidenceFault.

    Returns the SHA-256 of SHA256SUMS, which stands for all of it.
    """
    contents = dict(files) | {"verify.sh": verify_script(), "README.txt": read_me()}
    contents["SHA256SUMS"] = sums_of(contents)
    contents["SEAL"] = sums_of({name: contents[name] for name in _SEALED})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise EvidenceFault(f"{folder} is not empty: name a new folder")
        for name, data in contents.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
    except OSError as error:
        raise EvidenceFault(f"{folder} can't be written: {error.strerror}") from error
    return sha256(contents["SHA256SUMS"]).hexdigest()


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """As sha256sum writes them, by name; those of the sub-folder last."""
    names = sorted(files, key=lambda name: ("/" in name, name))
    return "".join(f"{sha256(files[name]).hexdigest()}  {name}\n" for name in names).encode()


def verify_script() -> bytes:
    """The script, with the words of a decision in the bytes of two charsets: awk knows no characters."""
    text = (_HERE / "verify.sh").read_text(encoding="utf-8")
    for mark, codec in (("@WORDS_UTF8@", "utf-8"), ("@WORDS_EUC@", "euc_jp")):
        lines = (
            f'\t\t\tadd("{_octal(word, codec)}", "{_escaped(ascii_word)}")' for word, ascii_word in _WORDS
        )
        text = text.replace(mark, "\n".join(lines))
    return text.replace("@RETURNED@", _octal(COMMENT, "cp932")).encode()


def read_me() -> bytes:
    return (_HERE / "README.txt").read_bytes()


def _octal(word: str, codec: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in word.encode(codec))


def _escaped(word: str) -> str:
    return word.replace("\001", "\\001")
