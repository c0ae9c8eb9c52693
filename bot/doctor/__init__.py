"""The work of `ringi check`: every part examined, and how to mend it."""
