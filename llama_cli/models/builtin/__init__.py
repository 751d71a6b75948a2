"""The built-in model, and how it is rebuilt."""
