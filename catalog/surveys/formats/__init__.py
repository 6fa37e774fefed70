"""Parsers of file formats: each knows a format and no survey."""

from catalog.surveys.formats.detect import open_file, open_tables
from catalog.surveys.formats.zip_archives import Part, ZipArchive

__all__ = ["Part", "ZipArchive", "open_file", "open_tables"]
