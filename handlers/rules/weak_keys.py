"""RSA keys that anyone can break (threats CSR2). Three short public tests; each names its source."""

import math
from functools import cache

_FERMAT_ROUNDS = 100
# squares are rare modulo these two: only one number in a hundred that is none passes both
_POWER_OF_TWO, _ODD = 64, 63 * 65 * 11


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
    root = math.isqrt(n)
    if root * root == n:
        return True
    modulus = _POWER_OF_TWO * _ODD
    # small numbers: to square the large ones a hundred times would cost more than to check a signature
    small_n, small_root = n % modulus, root % modulus
    evens, odds = _squares(_POWER_OF_TWO), _squares(_ODD)
    # n = a*a - b*b is odd: modulo 4 it says whether a is
    is_odd = n % 4 == 1
    for step in range(1 if (root + 1) % 2 == is_odd else 2, _FERMAT_ROUNDS + 1, 2):
        rest = (small_root + step) ** 2 - small_n
        if rest % _POWER_OF_TWO in evens and rest % _ODD in odds:
            a = root + step
            if math.isqrt(a * a - n) ** 2 == a * a - n:
                return True
    return False


@cache
def _squares(modulus: int) -> frozenset[int]:
    return frozenset(n * n % modulus for n in range(modulus // 2 + 1))


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
