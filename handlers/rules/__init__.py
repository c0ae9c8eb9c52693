"""Pure rules: no table, clock, random number, file or network. Everything they need is passed in."""
