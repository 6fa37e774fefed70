"""Parity with the paper: every number that it states beside that of a run.

``paper.toml`` lists the statements, each with its value, its place in the paper, how it is held against a run's number,
and where that is found: a row of a comparison, a count of the selection, a query of ``sql/validation/parity_*.sql``, a
setting of the run's profile or of its release. Numbers that other parts of the project need as well are named there and
stand once: the counts in the release's description, the dispersions in ``checks.toml``.
"""

from catalog.validation.parity.table import Parity, ParityRow, compare_with_paper, write_csv

__all__ = ["Parity", "ParityRow", "compare_with_paper", "write_csv"]
