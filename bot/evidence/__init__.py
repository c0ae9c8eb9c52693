"""What proves to others what happened: saved mails against the journal, and one certificate as a folder."""
