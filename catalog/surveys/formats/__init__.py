"""Parsers of file formats: each knows a format and no survey."""

from catalog.surveys.formats.detect import open_tables

__all__ = ["open_tables"]
