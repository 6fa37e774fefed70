"""rvscat: catalogues of stellar labels from Gaia RVS spectra (Guiglion et al. 2024, A&A 682, A9)."""

__version__ = "0.1.0"
