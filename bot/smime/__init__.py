"""S/MIME: verifies what officers sign, keeps the revocation lists, signs our mails to them."""
