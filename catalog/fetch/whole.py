"""Whether a file is whole, when no checksum tells."""

import zlib
from pathlib import Path

from catalog.errors import FormatError

__all__ = ["check_whole"]

_FITS_BLOCK = 2880
_CHUNK = 1 << 20


def check_whole(file: Path, name: str) -> None:
    """Refuse a file that ends too early, or is a web page in the place of a file.

    FITS files begin with ``SIMPLE`` and have a multiple of 2880 bytes (FITS standard 4.0, Sect. 3.1); gzip files end
    with a checksum of their content (RFC 1952).

    Parameters
    ----------
    file : Path
        Where it lies.
    name : str
        What it will be called; its endings tell the format.

    Raises
    ------
    FormatError
        With what is wrong.
    """
    with file.open("rb") as stream:
        start = stream.read(512)
    if start.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise FormatError(f"{name} is a web page: {start.lstrip()[:60]!r}...")
    if name.lower().endswith(".gz"):
        _check_gzip(file, name)
    elif name.lower().endswith((".fits", ".fit")):
        size = file.stat().st_size
        if not start.startswith(b"SIMPLE  ="):
            raise FormatError(f"{name} does not begin as a FITS file does: {start[:40]!r}.")
        if size % _FITS_BLOCK:
            raise FormatError(f"{name} has {size:,} bytes, which is no multiple of {_FITS_BLOCK}: its end is missing.")
    elif not start:
        raise FormatError(f"{name} is empty.")


def _check_gzip(file: Path, name: str) -> None:
    member = zlib.decompressobj(wbits=31)
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                while chunk:
                    if member.eof:
                        if not chunk.strip(b"\0"):
                            break  # padding, as tapes left it
                        member = zlib.decompressobj(wbits=31)
                    # Bounded, and the content is not kept: only the checksum at the end counts.
                    member.decompress(chunk, 4 * _CHUNK)
                    chunk = member.unconsumed_tail or member.unused_data
    except zlib.error as error:
        raise FormatError(f"{name} is not a whole gzip file: {error}.") from error
    if not member.eof:
        raise FormatError(f"{name} is not a whole gzip file: its end is missing.")
