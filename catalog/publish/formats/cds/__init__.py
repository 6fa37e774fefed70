"""Tables as the CDS (VizieR) takes them: fixed-width ASCII files and a ReadMe that describes each byte."""

from catalog.publish.formats.cds.readme import readme
from catalog.publish.formats.cds.table import CdsColumn, CdsTable

__all__ = ["CdsColumn", "CdsTable", "readme"]
