"""Where labels can be trusted: limits of the training sample, likeness of spectra, and the boundary flag."""
