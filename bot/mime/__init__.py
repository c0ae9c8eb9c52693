"""Bytes of a mail become values, with limits on the bytes first."""
