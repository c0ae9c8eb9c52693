"""Signing on every core, by children of this process: the library holds Python's lock while it signs, so that threads
would take turns."""

import os
import struct
from collections.abc import Callable, Sequence

from bot.ca.protocol import CaFault, IssueOrder

Signed = bytes | CaFault
# a child costs some milliseconds
_FEWEST = 32
_HEAD = struct.Struct(">IB")
_DER, _FOR_GOOD, _FOR_NOW = range(3)


def sign_each(
    sign: Callable[[IssueOrder], bytes], orders: Sequence[IssueOrder], processes: int
) -> list[Signed]:
    """What `sign` gives for each order, or the CaFault it raises. After a temporary fault the rest of a share is given
    the same: it would meet it too. `processes`: how many may sign at the same time, this one among them."""
    shares = max(1, min(processes, len(orders) // _FEWEST))
    size = max(1, -(-len(orders) // shares))
    parts = [orders[start : start + size] for start in range(0, len(orders), size)]
    children = [_begin(sign, part) for part in parts[1:]]
    try:
        found = _sign_share(sign, parts[0]) if parts else []
    finally:
        told = [_end(child) for child in children]
    for part, signed in zip(parts[1:], told, strict=True):
        # a child that died signed nothing that anybody saw: its share is signed here
        found += signed if len(signed) == len(part) else _sign_share(sign, part)
    return found


def _sign_share(sign: Callable[[IssueOrder], bytes], orders: Sequence[IssueOrder]) -> list[Signed]:
    found: list[Signed] = []
    for order in orders:
        try:
            found.append(sign(order))
        except CaFault as fault:
            if fault.temporary:
                return [*found, *([fault] * (len(orders) - len(found)))]
            found.append(fault)
    return found


def _begin(sign: Callable[[IssueOrder], bytes], orders: Sequence[IssueOrder]) -> tuple[int, int]:
    """A child that signs, and the end of the pipe at which it says what."""
    ours, its = os.pipe()
    child = os.fork()
    if child:
        os.close(its)
        return child, ours
    # from here on nothing may run that belongs to the parent: no clean-up, no rollback, no log
    status = 1
    try:
        os.close(ours)
        with os.fdopen(its, "wb") as pipe:
            for signed in _sign_share(sign, orders):
                pipe.write(_packed(signed))
        status = 0
    finally:
        os._exit(status)


def _end(child: tuple[int, int]) -> list[Signed]:
    """What it signed, after it has ended."""
    pid, ours = child
    with os.fdopen(ours, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    found: list[Signed] = []
    while len(data) >= _HEAD.size:
        length, kind = _HEAD.unpack_from(data)
        body, data = data[_HEAD.size : _HEAD.size + length], data[_HEAD.size + length :]
        if len(body) < length:
            break
        found.append(body if kind == _DER else CaFault(body.decode(), temporary=kind == _FOR_NOW))
    return found


def _packed(signed: Signed) -> bytes:
    if isinstance(signed, bytes):
        return _HEAD.pack(len(signed), _DER) + signed
    words = str(signed).encode()
    return _HEAD.pack(len(words), _FOR_NOW if signed.temporary else _FOR_GOOD) + words
