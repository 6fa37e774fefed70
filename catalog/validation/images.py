"""Figures inside a page: smaller than their files, and the same to the last pixel."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

# Pillow passes over a library that cannot be loaded, for lack of memory say, and fails later in other words.
from PIL import (
    Image,
    _webp,  # noqa: F401  loaded for its own sake
)

__all__ = ["Embedded", "embed", "picture_size"]


_NO_MEMORY = ("encoding error 1", "encoding error 2")
"""How Pillow tells of libwebp's VP8_ENC_ERROR_OUT_OF_MEMORY and VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY."""


@dataclass(frozen=True)
class Embedded:
    """A picture as a page holds it."""

    uri: str
    width: int
    """Pixels; a page that knows them before the picture is there does not jump."""
    height: int


def embed(path: Path) -> Embedded:
    """Return the picture of a PNG file as lossless WebP, which takes half of its bytes.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Embedded

    Raises
    ------
    MemoryError
        There is too little memory to encode it.
    """
    with Image.open(path) as picture:
        data = io.BytesIO()
        # Figures have an alpha channel that is opaque everywhere. More effort than that gains one per cent.
        try:
            picture.convert("RGB").save(data, "WEBP", lossless=True, method=1, quality=30)
        except ValueError as error:
            if str(error) in _NO_MEMORY:
                raise MemoryError(f"{path.name} cannot be encoded") from error
            raise
        return Embedded("data:image/webp;base64," + base64.b64encode(data.getvalue()).decode(), *picture.size)


def picture_size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture file, pixels."""
    with Image.open(path) as picture:
        return picture.size
