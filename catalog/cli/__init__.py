"""`rvscat`: one thin command a stage or a need."""

from catalog.cli.main import main

__all__ = ["main"]
