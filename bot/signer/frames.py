"""A question or an answer on a socket: four bytes of length, then so many bytes."""

import socket
import struct
import time

MOST_BYTES = 64 << 20
_LENGTH = struct.Struct(">I")
_AT_ONCE = 1 << 20


class FrameFault(Exception):
    """The other side broke off, was too slow, or sent what is no frame."""

    temporary = True


def send_frame(connection: socket.socket, data: bytes, seconds: float) -> None:
    if not 0 < len(data) <= MOST_BYTES:
        raise FrameFault(f"a frame holds 1 to {MOST_BYTES} bytes, not {len(data)}")
    try:
        connection.settimeout(seconds)
        connection.sendall(_LENGTH.pack(len(data)) + data)
    except OSError as error:
        raise FrameFault(f"could not send: {error}") from error


def receive_frame(connection: socket.socket, seconds: float) -> bytes | None:
    """The next frame, whole, within so many seconds in all; None where the other side ended before one began."""
    end = time.monotonic() + seconds
    head = _receive(connection, _LENGTH.size, end)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise FrameFault("broken off")
    (length,) = _LENGTH.unpack(head)
    if not 0 < length <= MOST_BYTES:
        raise FrameFault(f"a frame holds 1 to {MOST_BYTES} bytes, not {length}")
    data = _receive(connection, length, end)
    if len(data) < length:
        raise FrameFault("broken off")
    return data


def _receive(connection: socket.socket, length: int, end: float) -> bytes:
    """As many bytes; fewer where the other side ends."""
    # grows with what comes, not with what is announced
    found = bytearray()
    while len(found) < length:
        left = end - time.monotonic()
        if left <= 0:
            raise FrameFault("too slow")
        try:
            connection.settimeout(left)
            part = connection.recv(min(length - len(found), _AT_ONCE))
        except OSError as error:
            raise FrameFault(f"could not receive: {error}") from error
        if not part:
            break
        found += part
    return bytes(found)
