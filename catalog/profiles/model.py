"""A profile: the settings of one way to make a catalogue.

The defaults below are the paper's where it states them. Where it does not, they follow the authors'
public notebooks: Nepal et al. (2023) for the network and its training. A profile file overrides only
what it names; the whole profile is recorded with each run and each ensemble.
"""

import hashlib
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from catalog.errors import ConfigurationError, NotFoundError

__all__ = [
    "CrossmatchSettings",
    "LikenessSettings",
    "LimitSettings",
    "MockSettings",
    "NetworkSettings",
    "PredictionSettings",
    "Profile",
    "PublishSettings",
    "RegionSettings",
    "RobustnessSettings",
    "SensitivitySettings",
    "StudySettings",
    "TrainingSettings",
    "UncertaintySettings",
    "load_profile",
    "profile_names",
]


# The paper's inputs, in the order in which the network has them.
_Input = Literal["spectrum", "scalars", "xp"]
_Scalar = Literal["phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "parallax"]
_INPUTS: tuple[_Input, ...] = ("spectrum", "scalars", "xp")
_SCALARS: tuple[_Scalar, ...] = ("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "parallax")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MockSettings(_Model):
    """Size and seed of a synthetic sky."""

    n_stars: int = Field(default=20_000, ge=50)
    """Stars with an RVS spectrum."""
    n_files: int = Field(default=8, ge=1)
    """HEALPix-range files of each Gaia product."""
    seed: int = 2024


class CrossmatchSettings(_Model):
    """How stars of other surveys are found in Gaia by their positions."""

    k2_epoch: float = 2000.0
    """Epoch of the positions in K2 catalogues, Julian year: the EPIC was made from J2000 catalogues."""
    k2_radius: float = Field(default=3.0, gt=0.0)
    """Largest separation, arcsec; some K2 catalogues round positions to 3.6 arcsec."""


class NetworkSettings(_Model):
    """Architecture of Sect. 3.1; what the paper leaves open follows Nepal et al. (2023)."""

    inputs: tuple[_Input, ...] = _INPUTS
    """Input nodes of the network. Fewer than the paper's three make a variant, for instance Appendix B's, which has the
    spectrum alone; the spectrum is always there."""
    scalars: tuple[_Scalar, ...] = _SCALARS
    """Columns of `gaia_source` that enter by the node ``scalars``."""
    filters: tuple[int, ...] = (32, 16, 8)
    kernel_size: int = 8
    pool_after: tuple[int, ...] = (2, 3)
    """Convolution blocks, counted from 1, that are followed by max pooling."""
    pool_size: int = 2
    padding: Literal["valid", "same"] = "valid"
    leaky_slope: float = 0.3
    """Slope of LeakyReLU below zero; 0.3 was Keras's default in 2023."""
    kernel_l2: float = 0.005
    """L2 penalty on convolution kernels."""
    dropout: float = 0.2
    """After the last convolution block and after each dense layer but the last hidden one."""
    spectrum_units: int = 128
    scalar_units: int = 32
    xp_units: int = 64
    dense_units: tuple[int, ...] = (128, 32)

    @property
    def variant(self) -> str:
        """What of the paper's inputs is left out, for instance ``no-parallax``; ``full`` when nothing is."""
        if self.inputs == _INPUTS[:1]:
            return "rvs"
        missing = [f"no-{name}" for name in _INPUTS if name not in self.inputs]
        missing += [f"no-{name.removeprefix('phot_').split('_')[0]}" for name in _SCALARS if name not in self.scalars]
        return "-".join(missing) or "full"

    @field_validator("inputs", "scalars")
    @classmethod
    def _in_their_order(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # Two orders of the same inputs are one network, and must have one key.
        known = _INPUTS if info.field_name == "inputs" else _SCALARS
        if len(set(names)) < len(names):
            raise ValueError(f"each is named once: {', '.join(names)}")
        if not names:
            raise ValueError("at least one is needed; to do without scalars, leave them out of inputs")
        return tuple(name for name in known if name in names)

    @model_validator(mode="after")
    def _inputs_fit(self) -> Self:
        if "spectrum" not in self.inputs:
            raise ValueError("inputs must hold 'spectrum': the network labels RVS spectra")
        if "scalars" not in self.inputs and self.scalars != _SCALARS:
            raise ValueError("scalars are chosen, but inputs leave them out")
        return self

    @model_serializer(mode="wrap")
    def _only_what_differs(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out inputs that are the paper's: keys of ensembles that know of no others stay as they are."""
        values: dict[str, Any] = write(self)
        for name, papers in (("inputs", _INPUTS), ("scalars", _SCALARS)):
            if getattr(self, name) == papers:
                values.pop(name, None)
        return values


class TrainingSettings(_Model):
    """Ensemble of Sect. 3.2 and how each member is trained."""

    splits: int = Field(default=7, ge=1)
    initialisations: int = Field(default=4, ge=1)
    train_fraction: float = Field(default=0.75, gt=0.0, lt=1.0)
    seed: int = 2024
    max_epochs: int = Field(default=500, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = 1e-4
    loss: str = "mse"
    optimiser: str = "adam"
    early_stopping_patience: int = 20
    early_stopping_min_delta: float = 1e-4
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    plateau_min_learning_rate: float = 1e-6
    min_training_stars: int = 40
    diverged_above: float = Field(default=1.0, gt=0.0)
    """A member has diverged, and is trained with another seed, when its validation MSE never gets below so many times
    that of the mean label. Trainings of fewer epochs than the patience are not judged."""
    kernels: Literal["auto", "keras"] = "auto"
    """What computes the convolution blocks: ``auto`` compiles kernels for this processor where it can, and has them
    compared with Keras first; ``keras`` never does. Both train the same network, up to rounding."""
    drop_above_percentile: float | None = Field(default=None, gt=0.0, le=100.0)
    """Members above this percentile of the best validation loss are left out: the authors' notebooks of 2020 and 2023
    have 80; the paper averages all 28."""


class PredictionSettings(_Model):
    """How labels are computed: the labels are the same, the time is not."""

    runtime: Literal["auto", "compiled", "openvino", "onnxruntime", "jax", "keras"] = "auto"
    """See `catalog.ensemble.runtimes`; ``auto`` is the fastest one that is installed."""


class UncertaintySettings(_Model):
    """Running dispersion of CNN - APOGEE and the polynomial through it (Sect. 3.4)."""

    n_bins: int = 30
    min_stars_per_bin: int = 20
    degree: int = 4


class LimitSettings(_Model):
    """How Table 1 is made from the training sample."""

    rule: Literal["quantile", "paper"] = "quantile"
    quantile: float = Field(default=0.001, ge=0.0, lt=0.5)
    """Fraction of training stars left out at each end; 0 is the full range."""


class LikenessSettings(_Model):
    """t-SNE classification of Sect. 5.1."""

    perplexities: tuple[Annotated[int, Field(ge=2)], ...] = Field(default=(30, 50, 75, 100), min_length=1)
    n_components: int = 50
    """Principal components kept before t-SNE."""
    quantile: float = Field(default=0.99, gt=0.0, le=1.0)
    """A star is training-like when its distance to the nearest training star is at most this
    quantile of the training stars' own nearest-neighbour distances."""
    early_exaggeration_iter: int = Field(default=250, ge=0)
    """Iterations with exaggerated attraction that come before `n_iter`."""
    n_iter: int = 500
    seed: int = 2024
    threads: int = Field(default=1, ge=1)
    """Threads of each map: another number gives another map. Worth raising where there are more cores than maps."""
    placed_by: int = Field(default=10, ge=1)
    """A new star is placed at the median position of so many nearest stars of the maps."""
    companion_components: int | None = Field(default=None, ge=2)
    """Leading principal components that the distances without t-SNE are made of; by default those in which stars differ
    more than their noise."""
    reference: str | None = None
    """Frozen maps that new stars are placed in instead of fitting maps to all of them: the first letters of a key of
    ``production.likeness_reference``, or ``latest``."""


class RegionSettings(_Model):
    """A region of the Kiel diagram: each label from, to; a label that is not named is free."""

    teff: tuple[float, float] | None = None
    """K."""
    logg: tuple[float, float] | None = None
    """dex, as are the others."""
    mh: tuple[float, float] | None = None
    alpham: tuple[float, float] | None = None
    feh: tuple[float, float] | None = None


_CLUMP = {"teff": (4500.0, 5000.0), "logg": (2.2, 2.7)}
"""The paper does not say which stars are of the red clump."""


class SensitivitySettings(_Model):
    """Gradients of the labels with respect to the inputs (Sect. 3.5)."""

    regions: dict[str, RegionSettings] = {
        "training sample": RegionSettings(),
        "red clump, solar": RegionSettings(**_CLUMP, mh=(-0.1, 0.1)),
        "red clump, metal-poor": RegionSettings(**_CLUMP, mh=(-0.9, -0.7)),
        "solar twins": RegionSettings(teff=(5570.0, 5970.0), logg=(4.2, 4.6), mh=(-0.1, 0.1)),
    }
    """Fig. 9 shows the red clump at [M/H] about 0 and -0.8, Fig. 10 the training sample, Fig. 2 the solar twins."""
    stars: int = Field(default=500, ge=1)
    """Training stars drawn from each region: fewer where it holds fewer."""
    seed: int = 2024
    peaks: int = Field(default=20, ge=1)
    """Strongest peaks of each gradient along the spectrum that are compared with known lines."""
    tolerance: float = Field(default=0.04, gt=0.0)
    """Largest distance of a peak from a line that it is said to fall on, nm: half of a resolution element."""


class RobustnessSettings(_Model):
    """Controlled damage to spectra of the training sample (Sect. 4.5 and Appendix C)."""

    regions: dict[str, RegionSettings] = {
        "dwarfs": RegionSettings(logg=(4.0, 5.5), mh=(-1.0, 1.0)),
        "giants": RegionSettings(logg=(1.0, 3.5), mh=(-1.0, 1.0)),
        "metal-poor giants": RegionSettings(logg=(0.0, 3.5), mh=(-3.0, -1.0)),
    }
    """Classes of stars by APOGEE labels."""
    stars: int = Field(default=100, ge=1, le=2000)
    """Stars of each class, those of highest S/N."""
    seed: int = 2024
    realisations: int = Field(default=5, ge=1)
    """Draws of noise, and places of missing pixels, for each star."""
    velocities: tuple[float, ...] = (-10.0, -5.0, -3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
    """Radial velocities left uncorrected, km/s; a pixel of DR3 is 3.5 km/s wide."""
    snr: tuple[Annotated[float, Field(gt=0.0)], ...] = (100.0, 75.0, 50.0, 35.0, 25.0, 20.0, 15.0, 10.0)
    """S/N after noise was added."""
    snr_margin: float = Field(default=1.5, ge=1.0)
    """A star takes part in a level of noise when its own S/N is at least so many times that level."""
    noise_correlation: float = Field(default=0.98, ge=0.0)
    """Standard deviation, pixels, of the kernel that makes the noise of neighbouring pixels as correlated as that of
    the published spectra of DR3: 0.77 at a distance of one pixel, 0.35 at two."""
    vsini: tuple[Annotated[float, Field(gt=0.0)], ...] = (2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0)
    """Rotation added to the stars' own, km/s."""
    limb_darkening: float = Field(default=0.6, ge=0.0, le=1.0)
    """Linear coefficient of the rotation profile: a usual value for cool stars at these wavelengths."""
    tilt: tuple[float, ...] = (-10.0, -5.0, -2.0, -1.0, 1.0, 2.0, 5.0, 10.0)
    """Change of the continuum at the last pixel, per cent; the first has its opposite."""
    missing: tuple[Annotated[int, Field(ge=1)], ...] = (1, 3, 10, 30, 100, 300)
    """Neighbouring pixels that are missing."""


class StudySettings(_Model):
    """What is studied about an ensemble: none of it changes the catalogue."""

    names: tuple[Literal["sensitivity", "robustness"], ...] = ("sensitivity", "robustness")
    """Studies that are made, in this order."""
    sensitivity: SensitivitySettings = SensitivitySettings()
    robustness: RobustnessSettings = RobustnessSettings()


class PublishSettings(_Model):
    """What publication writes."""

    exports: tuple[str, ...] = ("fits", "parquet", "votable", "csv")
    accept_failed: str = ""
    """Why a catalogue is published even when checks of its validation fail; empty: it is not. Recorded with the
    publication."""

    @field_validator("accept_failed")
    @classmethod
    def _one_line(cls, reason: str) -> str:
        words = " ".join(reason.split())
        if not words.isprintable():
            raise ValueError("the reason goes into the headers of files: printable characters only")
        return words


class Profile(_Model):
    """All settings of a run."""

    name: str
    description: str
    release: str = "dr3"
    mock: MockSettings | None = None
    crossmatch: CrossmatchSettings = CrossmatchSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    prediction: PredictionSettings = PredictionSettings()
    studies: StudySettings = StudySettings()
    uncertainty: UncertaintySettings = UncertaintySettings()
    limits: LimitSettings = LimitSettings()
    likeness: LikenessSettings = LikenessSettings()
    publish: PublishSettings = PublishSettings()
    expected_seconds: dict[str, float] = Field(default_factory=dict)
    """Seconds that each stage took on two cores: only the first estimate of what is left."""

    @property
    def data_release(self) -> str:
        """Name under which survey rows are kept: a synthetic sky never mixes with a real release."""
        if self.mock is None:
            return self.release
        return f"{self.release}-mock-{self.mock.n_stars}-{self.mock.seed}"

    @property
    def key(self) -> str:
        """Hash of everything that can change the catalogue."""
        # What only decides how long it takes, or what is told beside it, is left out.
        beside = dict.fromkeys(("description", "expected_seconds", "prediction", "studies"), True)
        text = self.model_dump_json(exclude={**beside, "training": {"kernels"}, "publish": {"accept_failed"}})
        return hashlib.sha256(text.encode()).hexdigest()


@cache
def load_profile(name: str) -> Profile:
    """Read a profile by the name of a shipped one, or from the path of a ``.toml`` file.

    Raises
    ------
    NotFoundError
        There is no such profile.
    ConfigurationError
        The file is not valid TOML or holds an unknown or invalid setting.
    """
    if name in profile_names():
        source, text = f"catalog/profiles/{name}.toml", files(__package__).joinpath(f"{name}.toml").read_text()
    elif name.endswith(".toml") and Path(name).is_file():
        source, text = name, Path(name).read_text()
    else:
        raise NotFoundError(
            f"Unknown profile {name!r}.",
            f"Give one of {', '.join(profile_names())}, or the path of a .toml file.",
        )
    try:
        return Profile.model_validate({"name": Path(source).stem, **tomllib.loads(text)})
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source} is not valid TOML: {error}.") from error
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{source}: {details}.") from error


def profile_names() -> list[str]:
    """Return the names of the shipped profiles."""
    return sorted(
        item.name.removesuffix(".toml") for item in files(__package__).iterdir() if item.name.endswith(".toml")
    )
