"""The world: mail, keys, clocks, files, processes. Imports everything, is imported by nobody."""
