"""A synthetic sky with known truth, written in the surveys' official file formats."""

from catalog.mock.sky import write_sky

__all__ = ["write_sky"]
