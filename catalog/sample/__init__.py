"""Which stars: crossmatch, quality cuts, training and observed sample (Sect. 2 of the paper)."""

from catalog.sample.funnel import FunnelStep, funnel
from catalog.sample.stage import select_samples

__all__ = ["FunnelStep", "funnel", "select_samples"]
