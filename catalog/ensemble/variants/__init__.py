"""Variants: ensembles that do without some of the paper's inputs, and what that costs (Appendix B)."""

from catalog.ensemble.variants.choices import VARIANTS, Variant, title_of, variant_run
from catalog.ensemble.variants.study import Confusion, VariantFigures, VariantStudy, study_variants
from catalog.ensemble.variants.subsets import SUBSETS, Subset

__all__ = [
    "SUBSETS",
    "VARIANTS",
    "Confusion",
    "Subset",
    "Variant",
    "VariantFigures",
    "VariantStudy",
    "study_variants",
    "title_of",
    "variant_run",
]
