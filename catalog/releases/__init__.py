"""What differs between data releases: grids, names, cuts, limits, endpoints, expected counts."""

from catalog.releases.model import PixelGrid, Release, load_release, release_names

__all__ = ["PixelGrid", "Release", "load_release", "release_names"]
