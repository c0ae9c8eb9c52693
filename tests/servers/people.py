"""The addresses and passwords that every test server knows."""

BOT = "bot@example.ac.jp"
OFFICER = "officer@example.ac.jp"
OFFICER2 = "officer2@example.ac.jp"
APPLICANT = "applicant@example.ac.jp"
MONITOR = "monitor@example.ac.jp"
ODD_PASSWORDS = {
    "quotes@example.ac.jp": 'a "quoted" \\ one',
    "brackets@example.ac.jp": "% { } ( * )",
    "japanese@example.ac.jp": "合言葉",
}
USERS = {
    BOT: "bot pass",
    OFFICER: "officer-pass",
    OFFICER2: "officer2-pass",
    APPLICANT: "applicant-pass",
    MONITOR: "monitor-pass",
} | ODD_PASSWORDS
