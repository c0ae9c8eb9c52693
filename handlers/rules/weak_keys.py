"""RSA keys that anyone can break (threats CSR2). Three short public tests; each names its source."""

import math
from functools import cache

_FERMAT_ROUNDS = 100


def find_rsa_weakness(n: int, e: int) -> str | None:
    """The first known weakness of an RSA public key, in a word for people to look up, or None."""
    if e <= 65536 or e % 2 == 0:
        return f"e={e if e < 1 << 64 else '…'}"
    if math.gcd(n, _small_primes_product()) > 1:
        return "small factor"
    if _has_roca_fingerprint(n):
        return "ROCA, CVE-2017-15361"
    if _has_close_factors(n):
        return "Fermat, CVE-2022-26320"
    return None


def _has_close_factors(n: int) -> bool:
    """Fermat's factorisation, a hundred rounds: n is a difference of two squares near its root."""
    a = math.isqrt(n)
    if a * a == n:
        return True
    a += 1
    rest = a * a - n
    for _ in range(_FERMAT_ROUNDS):
        # a square leaves 0, 1 or 4 modulo 8: this spares most of the roots
        if rest % 8 in (0, 1, 4) and math.isqrt(rest) ** 2 == rest:
            return True
        rest += 2 * a + 1
        a += 1
    return False


def _has_roca_fingerprint(n: int) -> bool:
    """Whether n is a power of 65537 modulo each of the first 39 primes.

    The primes of the broken generator are k*M + 65537**a mod M, where M is a product of at least those
    primes, so n is such a power too (Nemec et al., The Return of Coppersmith's Attack, ACM CCS 2017, sections
    2.1 and 3). About one good key in 240 million would be refused as well.
    """
    rest = n % _roca_modulus()
    return all(rest % prime in powers for prime, powers in _roca_powers())


def _primes_below(limit: int) -> list[int]:
    return [n for n in range(2, limit) if all(n % d for d in range(2, math.isqrt(n) + 1))]


@cache
def _small_primes_product() -> int:
    # 752: the bound of NIST SP 800-89 5.3.3, which the Baseline Requirements 6.1.6 take over
    return math.prod(_primes_below(752))


@cache
def _roca_modulus() -> int:
    return math.prod(_primes_below(168))


@cache
def _roca_powers() -> tuple[tuple[int, frozenset[int]], ...]:
    return tuple(
        (prime, frozenset(pow(65537, exponent, prime) for exponent in range(prime)))
        for prime in _primes_below(168)
    )
