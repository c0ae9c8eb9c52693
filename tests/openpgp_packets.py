"""OpenPGP packets that no program writes: user ids with line ends, signatures of odd classes (RFC 9580 5)."""

import base64
import hashlib
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ED25519 = bytes.fromhex("092b06010401da470f01")
_DIGESTS = {2: "sha1", 8: "sha256", 10: "sha512"}


@dataclass(frozen=True)
class RawKey:
    """An ed25519 primary key that certifies and signs. `created`: seconds since 1970."""

    private: Ed25519PrivateKey
    created: int

    @property
    def body(self) -> bytes:
        point = b"\x40" + self.private.public_key().public_bytes_raw()
        return b"\x04" + struct.pack(">I", self.created) + b"\x16" + _ED25519 + _mpi(point)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha1(self._hashed_body, usedforsecurity=False).hexdigest().upper()

    @property
    def _hashed_body(self) -> bytes:
        return b"\x99" + struct.pack(">H", len(self.body)) + self.body

    def certificate(self, user_id: bytes) -> bytes:
        """The public key with one user id, bound by the key."""
        bound = self._hashed_body + b"\xb4" + struct.pack(">I", len(user_id)) + user_id
        binding = self.signature(0x13, bound, flags=b"\x02\x1b\x03")
        return packet(6, self.body) + packet(13, user_id) + binding

    def signature(self, kind: int, signed: bytes, digest: int = 8, flags: bytes = b"", age: int = 0) -> bytes:
        """A signature packet of class `kind` over `signed`, made `age` seconds after the key."""
        made = b"\x05\x02" + struct.pack(">I", self.created + age)
        issuer = b"\x16\x21\x04" + bytes.fromhex(self.fingerprint)
        hashed = made + issuer + flags
        start = bytes([4, kind, 22, digest]) + struct.pack(">H", len(hashed)) + hashed
        trailer = b"\x04\xff" + struct.pack(">I", len(start))
        summed = hashlib.new(_DIGESTS[digest], signed + start + trailer).digest()
        value = self.private.sign(summed)
        unhashed = b"\x09\x10" + bytes.fromhex(self.fingerprint[-16:])
        rest = struct.pack(">H", len(unhashed)) + unhashed + summed[:2] + _mpi(value[:32]) + _mpi(value[32:])
        return packet(2, start + rest)


def packet(tag: int, body: bytes) -> bytes:
    """A packet in today's form with a five-octet length."""
    return bytes([0xC0 | tag, 0xFF]) + struct.pack(">I", len(body)) + body


def armor(packets: bytes, kind: str = "SIGNATURE") -> bytes:
    """An armored block without a checksum."""
    body = base64.encodebytes(packets).decode()
    return f"-----BEGIN PGP {kind}-----\n\n{body}-----END PGP {kind}-----\n".encode()


def dearmor(block: bytes) -> bytes:
    """The packets in gpg's armored block."""
    lines = block.decode().strip().split("\n")
    body = lines[lines.index("") + 1 : -1]
    return base64.b64decode("".join(line for line in body if not line.startswith("=")))


def _mpi(value: bytes) -> bytes:
    number = int.from_bytes(value)
    return struct.pack(">H", number.bit_length()) + number.to_bytes((number.bit_length() + 7) // 8)
