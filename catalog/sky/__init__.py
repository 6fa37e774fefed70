"""Places on the sky: HEALPix pixels and coordinate frames, as plain arrays."""
