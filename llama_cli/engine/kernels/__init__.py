"""Kernels for embedding on CPUs, in C++: a backend that llama.cpp's scheduler gives work to.

`llama_cli.engine.kernels.build` compiles them for this machine; `llama_cli.engine.kernels.installed` finds what
it made. Without them everything works with llama.cpp's own kernels, only slower.
"""
