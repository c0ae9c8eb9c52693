"""What is about to be signed, looked at by the rules of its kind before the CA's key touches it (threats CSR6).

The only home of pkilint, which the extra `lint` brings; its import takes half a second, so it waits for the first use.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bot.ca.protocol import CaFault

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# What a certificate of a private CA can't have, however good it is; nothing else is overlooked.
# - certificatePolicies: the OIDs that the baseline demands in it say "issued under the Baseline Requirements", an
#   assertion that only an audited CA may make (BR 7.1.6.1).
OVERLOOKED = frozenset({"cabf.serverauth.subscriber.certificate_policies_extension_absent"})


@dataclass(frozen=True)
class Finding:
    """An error by the rules, in pkilint's words. `code` names rule and source."""

    code: str
    message: str


def require_lint() -> None:
    """Raises CaFault where the extra is missing."""
    try:
        with warnings.catch_warnings():
            # what its own dependencies call old is not for our operators
            warnings.simplefilter("ignore", DeprecationWarning)
            import pkilint.pkix.certificate  # noqa: F401
    except ImportError as error:
        message = "ca.lint and public profiles need what the extra `lint` brings: pip install 'ringi[lint]'"
        raise CaFault(message, temporary=False) from error


def lint_certificate(der: bytes, *, public: bool) -> tuple[Finding, ...]:
    """Its errors: by the TLS baseline for an organisation's certificate (BR 7.1.2.7.4) if `public`, else by RFC 5280.

    Raises CaFault where the extra is missing.
    """
    require_lint()
    from pkilint import loader
    from pkilint.validation import ValidationFindingSeverity

    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der)
    results = _judge_baseline(document.root) if public else _judge_rfc5280(document.root)
    return tuple(
        Finding(found.finding.code, found.message or "")
        for result in results
        for found in result.finding_descriptions
        # the worst is the lowest
        if found.finding.severity <= ValidationFindingSeverity.ERROR and found.finding.code not in OVERLOOKED
    )


def _judge_baseline(root: Any) -> list[Any]:
    from pkilint import finding_filter

    rules, superseded = _baseline()
    return list(finding_filter.filter_results(superseded, rules.validate(root))[0])


@cache
def _baseline() -> tuple[Any, Any]:
    """The rules, and what RFC 5280 says and the baseline says otherwise. To make them takes longer than to judge."""
    from pkilint.cabf import serverauth
    from pkilint.cabf.serverauth.serverauth_constants import CertificateType
    from pkilint.pkix import certificate

    kind = CertificateType.OV_FINAL_CERTIFICATE
    rules = serverauth.create_decoding_validators(), serverauth.create_validators(kind)
    container = certificate.create_pkix_certificate_validator_container(*rules)
    return container, serverauth.create_serverauth_finding_filters(kind)


def _judge_rfc5280(root: Any) -> list[Any]:
    return list(_rfc5280().validate(root))


@cache
def _rfc5280() -> Any:
    from pkilint.pkix import certificate, extension, name

    decoding = certificate.create_decoding_validators(
        name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
    )
    parts = [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ]
    return certificate.create_pkix_certificate_validator_container(decoding, parts)


def throwaway_key(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> _Key:
    """A key of the same kind as the CA's: what it signs is worth nothing, and looks like what the CA would sign."""
    if isinstance(key, rsa.RSAPublicKey):
        return _make_rsa_key(key.key_size)
    return ec.generate_private_key(key.curve)


@cache
def _make_rsa_key(bits: int) -> rsa.RSAPrivateKey:
    # takes a second for long ones; nobody trusts it, so one serves for all
    return rsa.generate_private_key(65537, bits)
