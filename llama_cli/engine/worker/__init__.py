"""The engine in a process of its own, so that a crash inside llama.cpp is not one of the run."""
