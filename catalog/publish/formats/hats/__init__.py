"""HATS: a catalogue as Parquet files by HEALPix pixel, for LSDB and others."""

from catalog.publish.formats.hats.collection import HatsCollection

__all__ = ["HatsCollection"]
