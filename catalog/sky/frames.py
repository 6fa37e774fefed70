"""Galactic and ICRS coordinates of many stars, without the seconds that astropy takes to be imported."""

import numpy as np

__all__ = ["ICRS_FROM_GALACTIC", "galactic_to_icrs", "icrs_to_galactic", "unit_vector"]

# Rows: ICRS components of the Galactic axes (Gaia EDR3 documentation, section 4.1.7).
ICRS_FROM_GALACTIC = np.array(
    [
        [-0.0548755604162154, 0.4941094278755837, -0.8676661490190047],
        [-0.8734370902348850, -0.4448296299600112, -0.1980763734312015],
        [-0.4838350155487132, 0.7469822444972189, 0.4559837761750669],
    ]
)


def unit_vector(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the Cartesian directions, shape (3, n), of coordinates in degrees."""
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def galactic_to_icrs(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn Galactic into ICRS coordinates, all in degrees."""
    x, y, z = ICRS_FROM_GALACTIC @ unit_vector(lon, lat)
    return np.mod(np.degrees(np.arctan2(y, x)), 360.0), np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))


def icrs_to_galactic(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn ICRS into Galactic coordinates, all in degrees."""
    x, y, z = ICRS_FROM_GALACTIC.T @ unit_vector(ra, dec)
    return np.mod(np.degrees(np.arctan2(y, x)), 360.0), np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))
