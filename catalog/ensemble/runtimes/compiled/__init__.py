"""Kernels for this very processor: written as LLVM instructions, compiled when an ensemble is loaded.

A vector holds the same quantity of many stars, 16 where the processor has AVX-512: convolution, pooling and
activation then need no shuffling, and convolutions take a third of the multiplications that their definition asks
for (`catalog.ensemble.runtimes.compiled.bilinear`).
"""
