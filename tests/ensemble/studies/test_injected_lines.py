"""A small network that learns from synthetic spectra looks at the lines that were put into them."""

import numpy as np
import pandas as pd

from catalog.ensemble.backend import quiet
from catalog.ensemble.network import build_network
from catalog.ensemble.studies.gradients import jacobian
from catalog.ensemble.studies.lines import Line, agreement, known_lines, strongest_peaks
from catalog.mock.spectra import SpectrumModel, load_lines
from catalog.mock.strong_lines import CALCIUM
from catalog.profiles.model import NetworkSettings
from catalog.releases import load_release

N_STARS = 400
TOLERANCE = 0.04
NETWORK = NetworkSettings(
    inputs=("spectrum",),
    filters=(8, 4),
    pool_after=(2,),
    kernel_l2=0.0,
    dropout=0.0,
    spectrum_units=16,
    dense_units=(16,),
)


def injected() -> tuple[Line, ...]:
    weak = load_lines()
    lines = [
        Line(str(element), float(wavelength), 0.0, str(element), True, ())
        for element, wavelength in zip(weak.element, weak.wavelength, strict=True)
    ]
    return (*lines, *(Line("Ca", wavelength, 0.15, "Ca", True, ()) for wavelength, _, _ in CALCIUM))


@quiet()
def test_gradients_peak_at_the_injected_lines() -> None:
    import keras

    rng = np.random.default_rng(5)
    ranges = ((4400.0, 5200.0), (2.0, 3.0), (-0.6, 0.3), (0.0, 0.3))
    teff, logg, mh, alpham = (rng.uniform(low, high, N_STARS) for low, high in ranges)
    nothing = np.zeros(N_STARS)
    stars = {"teff": teff, "logg": logg, "mh": mh, "alpham": alpham, "feh": mh, "nitrogen": nothing}
    stars |= dict.fromkeys(("emission", "a_v", "wavelength_shift", "companion_fraction", "companion_velocity"), nothing)
    stars |= {"vbroad": nothing + 3.0, "companion_teff": teff, "companion_logg": logg}
    grid = load_release("dr3").rvs
    flux = SpectrumModel(grid).flux(pd.DataFrame(stars))
    flux = (flux + rng.normal(0.0, 0.01, flux.shape)).astype(np.float32)
    labels = np.column_stack([teff, logg, mh, alpham, mh])
    scaled = ((labels - labels.min(axis=0)) / np.ptp(labels, axis=0)).astype(np.float32)

    keras.utils.set_random_seed(1)
    network = build_network(grid.n_pixels, 0, 0, 5, NETWORK)
    # Without decay, weights of pixels that tell nothing stay as they were drawn.
    network.compile(optimizer=keras.optimizers.AdamW(2e-3, weight_decay=1e-2), loss="mse")
    network.fit(flux, scaled, batch_size=32, epochs=25, verbose=0)
    (gradients,) = jacobian(network)([flux[:64]])
    mean = gradients.mean(axis=0)
    for lines in (injected(), known_lines()):
        peaks = [peak for curve in mean for peak in strongest_peaks(curve, grid, 10, lines, TOLERANCE)]
        found = agreement(peaks, grid, lines, TOLERANCE)
        assert found.n == 50
        assert found.fraction > 2 * found.expected
        assert found.probability < 1e-6
