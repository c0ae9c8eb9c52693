"""OpenPGP: officers' signatures are verified, ours are made."""
