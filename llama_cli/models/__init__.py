"""Which model file to use, and how to know it again."""
