"""Validation: each comparison of the paper as a query, a check and a figure, and the report that tells them."""

from catalog.validation.results import Result

__all__ = ["Result"]
