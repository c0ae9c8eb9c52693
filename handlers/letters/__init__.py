"""What each letter says, as values: one class a template of the same name in `mail_templates/<language>/`.

A test fails until fields and placeholders agree. Times are aware UTC; templates print them in the desk's time zone.
"""
