"""The unfinished output: partial file, journal, lock, and the rename at the end."""
