"""RSA keys with a known weakness, made on purpose, and always the same ones."""

import math
import random
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa


def _is_probable_prime(n: int) -> bool:
    return pow(2, n - 1, n) == 1


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def _next_prime(n: int) -> int:
    sieve = math.prod(_primes(200))
    n |= 1
    while math.gcd(n, sieve) > 1 or not _is_probable_prime(n):
        n += 2
    return n


def _key(p: int, q: int) -> rsa.RSAPrivateKey:
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@cache
def roca_key() -> rsa.RSAPrivateKey:
    """2048 bits with primes k*M + 65537**a mod M, M the product of the first 126 primes (as the broken chips did)."""
    chance = random.Random(1)
    modulus = math.prod(_primes(126))
    top = (1 << 1024) // modulus

    def prime() -> int:
        while True:
            candidate = chance.randrange(top * 3 // 4, top) * modulus + pow(
                65537, chance.randrange(1 << 60), modulus
            )
            if _is_probable_prime(candidate):
                return candidate

    return _key(prime(), prime())


@cache
def close_primes_key() -> rsa.RSAPrivateKey:
    """2048 bits whose two primes are neighbours."""
    p = _next_prime((3 << 1022) + random.Random(2).getrandbits(1000))
    return _key(_next_prime(p + 2), p)
