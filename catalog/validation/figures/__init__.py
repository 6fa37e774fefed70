"""Figures of the report: the only place that imports matplotlib."""

from catalog.validation.figures.catalogue import FIGURES, Drawing, FigureSpec, draw_figures

__all__ = ["FIGURES", "Drawing", "FigureSpec", "draw_figures"]
