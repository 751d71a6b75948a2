"""One run, from resolved job to summary."""
