"""Serial numbers that fit the procedure's own column."""

_BITS = 96


def serial_number(random: bytes) -> int:
    """A positive serial of 96 bits from 12 random bytes, at most 29 decimal digits: the TSV's column 4 takes 32
    digits (manual 1-2-2), CA/Browser Forum wants 64 random bits (BR 7.1). The top bit is set, so none is short."""
    if len(random) * 8 != _BITS:
        raise ValueError("12 random bytes make a serial")
    return int.from_bytes(random) | (1 << (_BITS - 1))
