"""One file with all that the desk remembers, and a desk made of it."""
