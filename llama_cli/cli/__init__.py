"""The command line: the only part of the package that prints or exits.

Each command is a thin module of options, imported at once so that ``--help`` is quick, beside
one with its work, imported only when the command runs.
"""
