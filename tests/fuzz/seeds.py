"""What the fuzzers start from: one good example of each thing that is parsed."""

from pathlib import Path

from handlers.rules.batch_sheet import BatchPart, BatchRow, BatchSheet
from handlers.rules.sheet import Sheet, SheetRow
from store.states import Kind
from tests.openpgp_packets import armor, packet

SAMPLES = tuple(
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "bot" / "mails").rglob("*.eml"))
)
MAIL = (
    b"From: suzuki@example.ac.jp\r\nTo: ringi@example.ac.jp\r\nSubject: Re: =?utf-8?B?5om/6KqN?=\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/signed; micalg=pgp-sha256;\r\n"
    b' protocol="application/pgp-signature"; boundary="=_s"\r\n\r\n--=_s\r\n'
    b'Content-Type: multipart/mixed; boundary="=_m"; protected-headers="v1"\r\nFrom: suzuki@example.ac.jp\r\n\r\n'
    b"--=_m\r\nContent-Type: text/plain; charset=iso-2022-jp; format=flowed\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nGyRCPjVHJxsoQg0K\r\n--=_m--\r\n\r\n--=_s\r\n"
    b"Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\n"
    b"iHUEABYKAB0WIQQ=\r\n=abcd\r\n-----END PGP SIGNATURE-----\r\n\r\n--=_s--\r\n"
)
SIGNATURE = armor(packet(2, bytes(20)))
CLEARSIGNED = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n承認\n- -- \n鈴木\n".encode() + SIGNATURE
STATUS = (
    b"[GNUPG:] NEWSIG\n[GNUPG:] KEY_CONSIDERED "
    + b"A" * 40
    + b" 0\n[GNUPG:] SIG_ID x 2026-11-24 1795482000\n"
    b"[GNUPG:] GOODSIG AAAAAAAAAAAAAAAA Suzuki <suzuki@example.ac.jp>\n"
    b"[GNUPG:] VALIDSIG " + b"A" * 40 + b" 2026-11-24 1795482000 0 4 0 22 8 00 " + b"A" * 40 + b"\n"
    b"[GNUPG:] TRUST_UNDEFINED 0 pgp\n"
)
SHEET = Sheet(
    "desk.example.ac.jp",
    "A-20261122-0007",
    "testkikan",
    Kind.ISSUE,
    "1" * 64,
    (SheetRow(1, "2" * 64, "CN=test1.example.ac.jp"), SheetRow(2, "3" * 64, "CN=test2.example.ac.jp")),
    "one-officer",
    "4" * 64,
    "5" * 64,
    "6" * 64,
    "7" * 32,
).render()
BATCH = BatchSheet(
    "desk.example.ac.jp",
    "B-20261122-testkikan",
    "testkikan",
    (BatchPart("A-20261122-0007", Kind.ISSUE, "1" * 64),),
    (BatchRow(1, "A-20261122-0007", 2, "2" * 64, "CN=test1.example.ac.jp"),),
    "6" * 64,
    "7" * 32,
).render()
TEXT = (
    "○○様\n\n承認 1-40 除く 3,7 有効分のみ\n\n-- \n鈴木\n> 却下: 理由\n2026/11/22 Ringi wrote:\n"
    "> コード: 01234567-89abcdef-01234567-89abcdef\n> Row-1 0123456789abcdef CN=a.example.ac.jp\n"
    "──── Ringi A-20261122-0007 ────\n保留: 確認中\nDECLINE 3: no\nAPPROVE REVOCATION。\n"
).encode()
SEEDS: dict[str, tuple[bytes, ...]] = {
    "mime": (MAIL, *SAMPLES),
    "armor": (SIGNATURE, CLEARSIGNED),
    "status": (STATUS,),
    "sheet": (SHEET, BATCH),
    "decision": (TEXT,),
}
