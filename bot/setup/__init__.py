"""The work of `ringi init`."""
