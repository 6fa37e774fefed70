"""The networks of a saved ensemble: their layers and weights, with and without Keras."""

import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from catalog.ensemble.backend import quiet, start_keras
from catalog.ensemble.network import build_network
from catalog.ensemble.registry.artefact import Manifest, network_file
from catalog.ensemble.runtimes.keras import KerasRuntime
from catalog.ensemble.runtimes.layers import Layer, input_names, read_layers
from catalog.ensemble.training.member import weights_sha256
from catalog.errors import ArtefactError
from catalog.features import Scalers

__all__ = ["SavedMembers"]

_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"


class SavedMembers:
    """The members of an ensemble on disk.

    Keras takes seconds and 600 MB to load, and a tenth of a second for each file. So its files are read directly;
    the recorded fingerprints tell whether that went well, and Keras reads what cannot be read so.

    Parameters
    ----------
    path : pathlib.Path
        Folder of an ensemble that has been verified.
    manifest : Manifest
    scalers : Scalers
    threads : int, optional
        Threads of one operation in Keras.
    """

    def __init__(self, path: Path, manifest: Manifest, scalers: Scalers, threads: int | None = None) -> None:
        self.path = path
        self.threads = threads
        self._manifest = manifest
        self._sizes = (
            manifest.grid.n_pixels, len(scalers.scalars.names), len(scalers.xp.names), len(scalers.labels.names),
        )  # fmt: skip

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the networks' inputs."""
        return input_names(self._config)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers of the networks.

        Raises
        ------
        UnsupportedNetworkError
            One of them is not known to any runtime but Keras.
        """
        return read_layers(self._config)

    @cached_property
    def _config(self) -> Mapping[str, Any]:
        file = network_file(self.path, self._manifest.members[0].member)
        try:
            with zipfile.ZipFile(file) as archive:
                config: dict[str, Any] = json.loads(archive.read(_CONFIG))["config"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ArtefactError(f"{file} is no network saved by Keras: {error}", "Train the ensemble again.") from error
        return config

    def weights(self) -> list[list[np.ndarray]]:
        """Return the weights of every member, in the order of ``keras.Model.get_weights``.

        Raises
        ------
        ArtefactError
            A file holds another network than the one that was recorded.
        """
        network = None
        found = []
        for record in self._manifest.members:
            file = network_file(self.path, record.member)
            weights = _read_arrays(file, self._config)
            if weights is None or weights_sha256(weights) != record.weights_sha256:
                network = network or self._network()
                weights = _read_by_keras(file, network)
                if weights_sha256(weights) != record.weights_sha256:
                    raise ArtefactError(
                        f"The weights in {file} are not those of member {record.member}.", "Train it again."
                    )
            found.append(weights)
        return found

    @quiet()
    def open_keras(self) -> KerasRuntime:
        """Return the members in Keras, in this process.

        Raises
        ------
        ArtefactError
            A file holds another network than the one that was recorded.
        """
        network, weights = self._network(), self.weights()
        expected = [array.shape for array in network.get_weights()]
        for record, arrays in zip(self._manifest.members, weights, strict=True):
            if [array.shape for array in arrays] != expected:
                raise ArtefactError(
                    f"{network_file(self.path, record.member)} is not a network of this ensemble: its layers are "
                    "of other sizes than the settings say.",
                    "Train the ensemble again.",
                )
        return KerasRuntime(network, weights)

    def _network(self) -> Any:
        start_keras(self.threads)
        return build_network(*self._sizes, self._manifest.network)


def _read_arrays(file: Path, config: Mapping[str, Any]) -> list[np.ndarray] | None:
    """Read the arrays of each layer, or None: Keras files them by kind of layer and a number that counts up."""
    try:
        import h5py

        with zipfile.ZipFile(file) as archive:
            packed = archive.read(_WEIGHTS)
        weights: list[np.ndarray] = []
        counts: dict[str, int] = {}
        with h5py.File(BytesIO(packed)) as stored:
            for layer in config["layers"]:
                kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", layer["class_name"]).lower()
                number = counts.get(kind, 0)
                counts[kind] = number + 1
                group = stored.get(f"layers/{kind}_{number}" if number else f"layers/{kind}", {}).get("vars", {})
                weights.extend(group[str(i)][()] for i in range(len(group)))
    except (ImportError, KeyError, OSError, zipfile.BadZipFile):
        return None
    return weights


def _read_by_keras(file: Path, network: Any) -> list[np.ndarray]:
    try:
        with warnings.catch_warnings():
            # What Keras passes over is found by the fingerprint.
            warnings.simplefilter("ignore")
            network.load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        raise ArtefactError(
            f"{file} is not a network of this ensemble: {error}", "Train the ensemble again."
        ) from error
    weights: list[np.ndarray] = network.get_weights()
    return weights
