"""Showing how far a run is: a bar on a terminal, plain lines in a log, events for programs."""
