"""Letters become mails."""
