"""What differs between data releases: grids, names, cuts, limits, endpoints, expected counts."""

from catalog.releases.grid import PixelGrid
from catalog.releases.loading import load_release, release_names
from catalog.releases.model import Release

__all__ = ["PixelGrid", "Release", "load_release", "release_names"]
