"""The decisions: one file for each kind of mail or event. No mail, web or process library is imported here."""
