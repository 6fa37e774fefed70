"""Cones and polygons on the celestial sphere: the boxes in right ascension and declination that hold them.

The boxes are there for an index to find what may lie inside; they may be too large and are never too small. A polygon
lies within a hemisphere, so that the gnomonic projection about its centre makes its sides, arcs of great circles,
straight lines.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from catalog.errors import QueryError

__all__ = ["Bounds", "SkyPolygon", "cone_bounds"]

Bounds = list[tuple[float, float, float, float]]
"""Boxes (west, south, east, north) in 0 to 360, -90 to 90 degrees."""

_MARGIN = 1e-6
"""Degrees by which boxes are larger than what they hold."""

_NEAREST_HORIZON = 0.02
"""Smallest cosine of the angle between a polygon's centre and its corners: 89 degrees."""


def cone_bounds(longitude: float, latitude: float, radius: float) -> Bounds:
    """Return boxes that together hold a cone.

    Parameters
    ----------
    longitude, latitude, radius : float
        Degrees.

    Raises
    ------
    QueryError
        There is no such cone.
    """
    if not (abs(longitude) <= 360.0 and abs(latitude) <= 90.0 and 0.0 <= radius <= 180.0):
        raise QueryError(
            f"There is no circle of radius {radius:g} around ({longitude:g}, {latitude:g}) on the sky.",
            "Longitudes lie in 0 to 360, latitudes in -90 to 90 and radii in 0 to 180 degrees.",
        )
    radius += _MARGIN
    south, north = latitude - radius, latitude + radius
    if south <= -90.0 or north >= 90.0 or radius >= 90.0:
        return [(0.0, max(-90.0, south), 360.0, min(90.0, north))]
    # Where the cone touches two meridians: sin(half width) = sin(radius) / cos(latitude).
    sine = math.sin(math.radians(radius)) / math.cos(math.radians(latitude))
    half = math.degrees(math.asin(min(1.0, sine))) + _MARGIN
    return _wrapped(longitude - half, south, 2 * half, north)


def _wrapped(west: float, south: float, width: float, north: float) -> Bounds:
    if width >= 360.0:
        return [(0.0, south, 360.0, north)]
    west %= 360.0
    east = west + width
    if east <= 360.0:
        return [(west, south, east, north)]
    return [(west, south, 360.0, north), (0.0, south, east - 360.0, north)]


@dataclass(frozen=True)
class SkyPolygon:
    """A polygon of at most a hemisphere, whose sides are arcs of great circles."""

    corners: np.ndarray
    """Unit vectors, shape (n, 3)."""
    centre: np.ndarray
    """Unit vector from which all corners are nearer than 90 degrees."""

    @classmethod
    def of_corners(cls, corners: Sequence[tuple[float, float]]) -> "SkyPolygon":
        """Make the polygon of `corners`, longitudes and latitudes in degrees, in order or against it.

        Raises
        ------
        QueryError
            A corner is not on the sky, there are fewer than three, or they do not fit into a hemisphere.
        """
        for longitude, latitude in corners:
            if not (abs(longitude) <= 360.0 and abs(latitude) <= 90.0):
                raise QueryError(
                    f"The corner ({longitude:g}, {latitude:g}) of the POLYGON is not on the sky.",
                    "Longitudes lie in 0 to 360 and latitudes in -90 to 90 degrees.",
                )
        lon, lat = np.radians(np.array(corners, dtype=float)).T
        vectors = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        # A corner given twice, often the first as the last, makes no side.
        different = np.linalg.norm(vectors - np.roll(vectors, 1, axis=0), axis=1) > 1e-15
        vectors = vectors[different]
        if len(vectors) < 3:
            raise QueryError("A POLYGON has at least three different corners.")
        for candidate in (vectors.sum(axis=0), _area_vector(vectors), -_area_vector(vectors)):
            length = float(np.linalg.norm(candidate))
            if length > 0 and (vectors @ (candidate / length)).min() > _NEAREST_HORIZON:
                return cls(vectors, candidate / length)
        raise QueryError(
            "The POLYGON is wider than a hemisphere.", "Divide it, or ask for what lies outside: CONTAINS(…) = 0."
        )

    @classmethod
    def of_box(cls, longitude: float, latitude: float, width: float, height: float) -> "SkyPolygon | None":
        """Make the polygon that is ADQL's BOX of positive sizes, degrees; None when it is nearly a hemisphere."""
        lon, lat = math.radians(longitude), math.radians(latitude)
        centre = np.array([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
        east = np.array([-math.sin(lon), math.cos(lon), 0.0])
        north = np.cross(centre, east)
        x, y = math.tan(math.radians(width / 2)), math.tan(math.radians(height / 2))
        corners = np.array([centre + i * x * east + j * y * north for i, j in ((1, 1), (-1, 1), (-1, -1), (1, -1))])
        corners /= np.linalg.norm(corners, axis=1)[:, None]
        return cls(corners, centre) if (corners @ centre).min() > _NEAREST_HORIZON else None

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors that are orthogonal to the centre and to each other."""
        east = np.cross((0.0, 0.0, 1.0), self.centre)
        if np.linalg.norm(east) < 1e-8:
            east = np.array([0.0, 1.0, 0.0])
        east /= np.linalg.norm(east)
        return east, np.cross(self.centre, east)

    @property
    def plane(self) -> np.ndarray:
        """Corners in the plane that touches the sphere at the centre, shape (n, 2)."""
        east, north = self.axes
        return np.column_stack([self.corners @ east, self.corners @ north]) / (self.corners @ self.centre)[:, None]

    @property
    def area(self) -> float:
        """Square degrees, after L'Huilier's spherical excess about the centre (for sides that do not cross)."""
        total = 0.0
        for a, b in self._sides():
            # Signed solid angle of the triangle centre, a, b: van Oosterom and Strackee (1983).
            volume = float(self.centre @ np.cross(a, b))
            total += 2 * math.atan2(volume, 1.0 + float(self.centre @ a + a @ b + b @ self.centre))
        return abs(total) * math.degrees(1.0) ** 2

    @property
    def centroid(self) -> tuple[float, float]:
        """Longitude and latitude of the centre of gravity, degrees."""
        vector = _area_vector(self.corners)
        vector = vector if vector @ self.centre >= 0 else -vector
        if np.linalg.norm(vector) < 1e-12:
            vector = self.centre
        longitude, latitude = _angles(vector / np.linalg.norm(vector))
        return longitude, latitude

    @property
    def bounds(self) -> Bounds:
        """Boxes that together hold the polygon."""
        angles = [_angles(corner) for corner in self.corners]
        latitudes = [latitude for _, latitude in angles] + [
            _angles(apex)[1] for a, b in self._sides() for apex in _apices(a, b)
        ]
        south, north = min(latitudes) - _MARGIN, max(latitudes) + _MARGIN
        poles = [sign for sign in (-1.0, 1.0) if self._holds(np.array([0.0, 0.0, sign]))]
        if 1.0 in poles or north >= 90.0:
            return [(0.0, max(-90.0, south), 360.0, 90.0)]
        if -1.0 in poles or south <= -90.0:
            return [(0.0, -90.0, 360.0, min(90.0, north))]
        # Longitude goes one way along a side, so its extremes are at corners.
        reached = [angles[0][0]]
        for (before, _), (after, _) in zip(angles, [*angles[1:], angles[0]], strict=True):
            reached.append(reached[-1] + (after - before + 180.0) % 360.0 - 180.0)
        # Near a pole a rounding error moves the longitude more than the position.
        margin = _MARGIN / math.cos(math.radians(max(abs(south), abs(north))))
        return _wrapped(min(reached) - margin, south, max(reached) - min(reached) + 2 * margin, north)

    def _sides(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from zip(self.corners, np.roll(self.corners, -1, axis=0), strict=True)

    def _holds(self, position: np.ndarray) -> bool:
        """Tell whether the boundary winds around `position`; a coarse test, enough for the poles."""
        if position @ self.centre <= 0:
            return False
        east, north = self.axes
        x, y = position @ east / (position @ self.centre), position @ north / (position @ self.centre)
        directions = np.arctan2(self.plane[:, 1] - y, self.plane[:, 0] - x)
        turns = (np.diff(directions, append=directions[:1]) + np.pi) % (2 * np.pi) - np.pi
        return bool(abs(turns.sum()) > np.pi)


def _area_vector(corners: np.ndarray) -> np.ndarray:
    """Return half the sum of the sides' normals, each as long as its side: it points to the centre of gravity."""
    normals = np.cross(corners, np.roll(corners, -1, axis=0))
    lengths = np.linalg.norm(normals, axis=1)
    arcs = np.arctan2(lengths, (corners * np.roll(corners, -1, axis=0)).sum(axis=1))
    return np.asarray((normals * (arcs / np.maximum(lengths, 1e-300))[:, None]).sum(axis=0) / 2)


def _apices(a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the northernmost and southernmost points of the great circle of `a` and `b` that lie between them."""
    normal = np.cross(a, b)
    length = np.linalg.norm(normal)
    if length < 1e-15:
        return
    normal /= length
    top = np.array([0.0, 0.0, 1.0]) - normal[2] * normal
    height = np.linalg.norm(top)
    if height < 1e-15:
        return  # the equator
    for apex in (top / height, -top / height):
        if np.cross(a, apex) @ normal >= -1e-12 and np.cross(apex, b) @ normal >= -1e-12:
            yield apex


def _angles(vector: np.ndarray) -> tuple[float, float]:
    longitude = math.degrees(math.atan2(vector[1], vector[0])) % 360.0
    return longitude, math.degrees(math.atan2(vector[2], math.hypot(vector[0], vector[1])))
