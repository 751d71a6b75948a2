"""A file for each input format: its bytes to texts."""
