"""Two catalogues side by side: stars, labels, flags, validation results, and what made them differ."""

from catalog.validation.against.comparing import Comparison, compare_catalogues
from catalog.validation.against.sides import Side, find_sides

__all__ = ["Comparison", "Side", "compare_catalogues", "find_sides"]
