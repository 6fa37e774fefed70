"""Which figures there are, and how all of them are drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from catalog.errors import SampleError
from catalog.progress import Progress, silent
from catalog.validation.figures import style
from catalog.validation.figures.correlations import correlations
from catalog.validation.figures.coverage import coverage, pulls
from catalog.validation.figures.data import FigureData
from catalog.validation.figures.examples import spectra, training
from catalog.validation.figures.external import clusters, seismic
from catalog.validation.figures.galactic import disc_giants, disc_stars
from catalog.validation.figures.kiel import alpha_cells, hero, kiel_snr
from catalog.validation.figures.likeness import kinds, likeness, likeness_labels, modes, threshold
from catalog.validation.figures.outside import outside, outside_residuals, outside_shares
from catalog.validation.figures.quality import flags, precision, uncertainties
from catalog.validation.figures.residuals import apogee, closure, galah, gspphot, gspspec, metal_poor
from catalog.validation.figures.robustness import robustness
from catalog.validation.figures.sensitivity import sensitivity, sensitivity_xp
from catalog.validation.figures.sequences import sequences
from catalog.validation.figures.summary import summary
from catalog.validation.figures.velocity import velocity

__all__ = ["FIGURES", "Drawing", "FigureSpec", "draw_figures"]


@dataclass(frozen=True)
class FigureSpec:
    """One figure of the report."""

    name: str
    title: str
    caption: str
    draw: Callable[[FigureData], Figure]
    section: str
    """Comparison, or part of the report, that it belongs to."""


@dataclass(frozen=True)
class Drawing:
    """What became of a figure: a file, or the reason why there is none."""

    spec: FigureSpec
    path: Path | None
    reason: str = ""


FIGURES: tuple[FigureSpec, ...] = (
    FigureSpec(
        "kiel",
        "Kiel diagrams",
        "Coloured by [M/H], as in Figs. 4 and 11 of the paper. Right: stars with a digit of flag_boundary"
        " set, above the stars inside the limits in grey.",
        hero,
        "catalogue",
    ),
    FigureSpec(
        "kiel_snr",
        "Kiel diagrams against S/N",
        "Observed stars inside the limits, as in Fig. 11: the sequences should stay where they are as S/N"
        " falls. Grey: stars outside the limits.",
        kiel_snr,
        "catalogue",
    ),
    FigureSpec(
        "alpha",
        "[α/M] against [M/H]",
        "As in Fig. 14: observed stars inside the limits, in cells of 500 K and 1 dex of the Kiel diagram (upper left) "
        "with the number of stars, mean and standard deviation of [α/M] of each.",
        alpha_cells,
        "alpha_cells",
    ),
    FigureSpec(
        "sequences",
        "Mean spectra in sequences",
        "As in Fig. 12: mean RVS spectra of observed stars inside the limits in steps of each label; behind the mean "
        "label of each step the spectra that were averaged (five at least), of the stars in the step. Middle and "
        "right: the blend of Fe I and Ti I, and a line of Ca II.",
        sequences,
        "catalogue",
    ),
    FigureSpec(
        "correlations",
        "Correlations of labels, photometry, parallax and S/N",
        "As in Fig. 5: below the diagonal Pearson's coefficient, above it Spearman's of the ranks. Only the S/N was "
        "not fed to the network. Large samples are represented by the number of stars given.",
        correlations,
        "correlations",
    ),
    FigureSpec(
        "apogee",
        "CNN and GSP-Spec against APOGEE",
        "As in Fig. 7. Red: running median and 68 % band; grey: distribution of the reference label. N, "
        "mean difference b and standard deviation σ count all stars, also those beyond the frame.",
        apogee,
        "apogee",
    ),
    FigureSpec(
        "low_snr",
        "Low S/N and metal-poor stars",
        "Observed stars inside the limits with 15 < S/N < 25, and the metal-poor ones among them, as in Fig. 15.",
        metal_poor,
        "apogee",
    ),
    FigureSpec(
        "precision",
        "Precision against S/N",
        "Standard deviation of the difference to APOGEE, as in Fig. 16; bars are its standard error, the "
        "dotted line is the paper's training dispersion.",
        precision,
        "precision",
    ),
    FigureSpec(
        "radial_velocity",
        "Radial-velocity errors",
        "As in Fig. C.1: differences to APOGEE against radial_velocity_error, of training stars and of observed stars "
        "inside the limits; red: running median and 68 % band. GSP-Spec: calibrated, good flags.",
        velocity,
        "radial_velocity",
    ),
    FigureSpec(
        "uncertainties",
        "Uncertainties",
        "As in Figs. 8 and 13: model-to-model dispersion (red), the running dispersion that is added in "
        "quadrature (green), overall sigma (blue); dashed: median of the sigma that is calibrated out of fold.",
        uncertainties,
        "dispersions",
    ),
    FigureSpec(
        "pulls",
        "Uncertainties against actual residuals",
        "Residuals in units of sigma, with the shares within 1 and 2 sigma; grey: a Gaussian of unit width, which "
        "right uncertainties follow. Training: by all members, most of which have seen the stars; out of fold: "
        "the same stars by the members that have not. Calibrated: each star with the sigma that other stars gave.",
        pulls,
        "uncertainties",
    ),
    FigureSpec(
        "coverage",
        "Coverage by label, region and S/N",
        "Share of |CNN − APOGEE| within 1 (top) and 2 sigma (bottom); lines: a Gaussian, 68.3 and 95.4 %. Open: the "
        "paper's sigma, filled: calibrated out of fold; bars: standard error. Behind each name its stars out of fold | "
        "observed, inside the limits.",
        coverage,
        "coverage",
    ),
    FigureSpec(
        "galah",
        "CNN against GALAH DR3",
        "As in Fig. 22: observed stars inside the limits with 15 ≤ S/N ≤ 25 and good GALAH flags.",
        galah,
        "galah",
    ),
    FigureSpec(
        "seismic",
        "Seismic log g",
        "As in Fig. 21: log g below 2.3 (orange), around the red clump (green), above 2.6 (red).",
        seismic,
        "seismic",
    ),
    FigureSpec(
        "gspspec",
        "Calibrated GSP-Spec",
        "Observed stars inside the limits with the first 13 digits of flags_gspspec at zero.",
        gspspec,
        "gspspec",
    ),
    FigureSpec(
        "gspphot",
        "CNN and GSP-Phot",
        "As in Fig. 20: observed stars inside the limits that have all three sets of labels.",
        gspphot,
        "gspphot",
    ),
    FigureSpec(
        "clusters",
        "Open clusters",
        "As in Fig. 23: mean and standard deviation of [Fe/H] of the members with labels inside the limits.",
        clusters,
        "clusters",
    ),
    FigureSpec(
        "flags",
        "Flags and S/N",
        "Share of observed stars outside the limits, and S/N of all samples (Fig. 1).",
        flags,
        "limits",
    ),
    FigureSpec(
        "outside",
        "Stars outside the limits",
        "As in Fig. 18: Kiel diagrams of observed stars outside the limits in bins of [M/H], and mean spectra of three "
        "regions by [M/H]. Frames: hot dwarfs (blue), cool dwarfs (green), cool giants (orange) of Sect. 5.3.",
        outside,
        "outside",
    ),
    FigureSpec(
        "outside_shares",
        "Why stars are outside the limits",
        "Share of observed stars with each digit of flag_boundary, by region of the Kiel diagram, [M/H] and colour; "
        "behind each name the observed stars of that part.",
        outside_shares,
        "outside",
    ),
    FigureSpec(
        "outside_apogee",
        "Labels outside the limits",
        "As in Fig. 19: CNN − APOGEE of observed stars outside the limits in the three regions that the figure above "
        "frames. N, b and σ count all stars, also those beyond the frame.",
        outside_residuals,
        "outside_apogee",
    ),
    FigureSpec(
        "likeness",
        "t-SNE map of the RVS spectra",
        "Perplexity 50, as in Fig. 17.",
        likeness,
        "limits",
    ),
    FigureSpec(
        "likeness_labels",
        "t-SNE map coloured by labels",
        "Perplexity 50, as in Fig. A.2: catalogue labels of the training sample, and of observed stars that are like "
        "and unlike it in this map. Pale: all stars of the map.",
        likeness_labels,
        "limits",
    ),
    FigureSpec(
        "likeness_threshold",
        "What the threshold of likeness does",
        "Unlike stars if the threshold were another quantile of the training stars' own distances: in any t-SNE map, "
        "in any map after placing the stars as new ones are, and by the distance to the most similar training "
        "spectrum.",
        threshold,
        "limits",
    ),
    FigureSpec(
        "likeness_modes",
        "Agreement of modes and methods",
        "Left: stars with the same verdict from the joint maps and from being placed in them by their neighbours. "
        "Right: digit 8 against the distance to the most similar training spectrum, by S/N and CNN label.",
        modes,
        "companion",
    ),
    FigureSpec(
        "likeness_kinds",
        "Kinds of stars that are unlike",
        "Injected kinds of the synthetic sky in the map of perplexity 50, as in Fig. 17, and the share of each that "
        "digit 8 and its companion flag. Completeness: stars of kinds that the training sample lacks that are flagged; "
        "purity: flagged stars that are of such kinds.",
        kinds,
        "likeness",
    ),
    FigureSpec(
        "disc_giants",
        "[α/M] against [M/H] in the Galaxy: giants of low S/N",
        "As in Fig. 24: observed giants inside the limits with 15 ≤ S/N ≤ 25 and log g ≤ 2.2, by Galactocentric radius "
        "R and height |Z| from StarHorse distances. Lines: the two parallel sequences between the dotted [M/H], in "
        "colour where two are seen, grey where not; right: distribution of these stars about the lines. ΔBIC of one "
        "line against two, separation D in units of the scatter, share of these stars on the upper sequence.",
        disc_giants,
        "bimodality",
    ),
    FigureSpec(
        "disc_stars",
        "[α/M] against [M/H] in the Galaxy: all stars",
        "As above for all observed stars inside the limits, of any S/N and log g.",
        disc_stars,
        "bimodality",
    ),
    FigureSpec(
        "closure",
        "Closure test",
        "Recovered against injected labels of the synthetic sky: observed stars inside the limits, and "
        "differences for both samples.",
        closure,
        "closure",
    ),
    FigureSpec(
        "spectra",
        "Example spectra",
        "The star of highest S/N of each kind; blue inside the limits, red outside.",
        spectra,
        "catalogue",
    ),
    FigureSpec(
        "training",
        "Training of the ensemble",
        "Each line is a member; circles mark the epoch whose weights were kept, crosses and grey lines members that "
        "the ensemble does not average over.",
        training,
        "training",
    ),
    FigureSpec(
        "sensitivity",
        "Sensitivity to the RVS spectrum",
        "As in Fig. 9: mean spectra, and mean gradients of each label with respect to the pixels, smoothed with the "
        "spectrograph's profile. Band: standard deviation over the networks, for the first region. Dots: its strongest "
        "peaks, filled where they fall on a known line. Below: change of the label (rms) when each star has the mean "
        "training spectrum instead of its own. Flux that rises is a line that becomes shallower. Named above: the "
        "features that the paper names.",
        sensitivity,
        "training",
    ),
    FigureSpec(
        "sensitivity_xp",
        "Sensitivity to XP coefficients, magnitudes and parallax",
        "As in Fig. 10: correlation of XP coefficients and labels in the training sample (Pearson; grey: the first "
        "coefficient of each half is 1 for every star), and mean gradients of each label, by the full range of each "
        "input in the training sample. Bars of error: standard deviation over the networks.",
        sensitivity_xp,
        "training",
    ),
    FigureSpec(
        "robustness",
        "Robustness of the labels",
        "Label of the changed spectrum minus label of the spectrum as observed, of training stars of high S/N: mean "
        "(lines) and standard deviation (bands) of each class. Only the RVS spectrum is changed. Rings: the mean "
        "change exceeds the overall sigma; large changes lie beyond the frame. Grey: the paper's dispersion. Hatched: "
        "shifts of up to a pixel, such as Appendix C (Fig. C.1) is about.",
        robustness,
        "training",
    ),
    FigureSpec(
        "summary",
        "Summary",
        "Kiel diagram, [α/M] against [M/H], and differences to the reference.",
        summary,
        "summary",
    ),
)


def draw_figures(data: FigureData, folder: Path, progress: Progress = silent) -> list[Drawing]:
    """Draw every figure that `data` allows.

    Parameters
    ----------
    data : FigureData
    folder : Path
        Existing folder; each figure becomes ``<name>.png`` in it.
    progress : Progress

    Returns
    -------
    list of Drawing
        In the order of `FIGURES`; a figure without stars carries the reason instead of a file.
    """
    drawings = []
    for i, spec in enumerate(FIGURES):
        progress(i, len(FIGURES), f"figure: {spec.title}")
        path = folder / f"{spec.name}.png"
        with style.look():
            try:
                style.save(spec.draw(data), path)
            except SampleError as error:
                drawings.append(Drawing(spec, None, error.message))
                continue
        drawings.append(Drawing(spec, path))
    progress(len(FIGURES), len(FIGURES), "figures")
    return drawings
