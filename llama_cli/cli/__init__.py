"""The command line: the only part of the package that knows options, prints and exits."""
