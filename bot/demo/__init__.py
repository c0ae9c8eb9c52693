"""The rehearsal: an embedded mail world and people who play the manual's journey on it."""
