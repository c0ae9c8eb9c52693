"""The folder that mails come in by."""
