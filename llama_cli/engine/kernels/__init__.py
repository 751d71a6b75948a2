"""Kernels for embedding on CPUs, in C++: a backend that llama.cpp's scheduler gives work to.

`build` compiles them for this machine and `installed` finds the result. Without them
everything works with llama.cpp's own kernels, only slower.
"""
