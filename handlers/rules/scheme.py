"""The two signature systems that mail programs carry."""

from enum import StrEnum


class Scheme(StrEnum):
    """By which system a mail is signed: OpenPGP (RFC 9580, 3156) or S/MIME (RFC 8551)."""

    OPENPGP = "openpgp"
    SMIME = "smime"
