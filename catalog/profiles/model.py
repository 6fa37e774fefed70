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
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
    "TrainingSettings",
    "UncertaintySettings",
    "load_profile",
    "profile_names",
]


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

    perplexities: tuple[int, ...] = (30, 50, 75, 100)
    n_components: int = 50
    """Principal components kept before t-SNE."""
    quantile: float = Field(default=0.99, gt=0.0, le=1.0)
    """A star is training-like when its distance to the nearest training star is at most this
    quantile of the training stars' own nearest-neighbour distances."""
    early_exaggeration_iter: int = Field(default=250, ge=0)
    """Iterations with exaggerated attraction that come before `n_iter`."""
    n_iter: int = 500
    seed: int = 2024


class PublishSettings(_Model):
    """What publication writes."""

    exports: tuple[str, ...] = ("fits", "parquet", "votable", "csv")


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
        text = self.model_dump_json(exclude={"description", "expected_seconds", "prediction"})
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
