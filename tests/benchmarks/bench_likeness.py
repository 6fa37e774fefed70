"""Time and memory of training-likeness, and what 886,080 stars would cost.

    .venv/bin/python tests/benchmarks/bench_likeness.py [--sizes 5000,10000,20000] [--workers 2]

Measured are the search for neighbours, affinities, embedding, and the placement of 1,000 new stars. Each size runs in
a process of its own, so that its peak of memory is its own. One map (perplexity 50) is computed in full and stands for
the four. Spectra are those of the synthetic sky, projected onto principal components of the first 5,000. scikit-learn's
TSNE is measured up to `--sklearn-below` stars.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import peak_memory_mb

from catalog.boundary.companion import nearest_training
from catalog.boundary.components import Basis, principal_components
from catalog.boundary.likeness import BARNES_HUT_BELOW, _affinities, _embed, _initial_positions, n_neighbours
from catalog.boundary.neighbours import build_index
from catalog.boundary.placement import nearest_distance, place, training_distances
from catalog.features import continuum_pixels, repair_flux
from catalog.mock.noise import observe_spectra
from catalog.mock.observation import observe
from catalog.mock.spectra import SpectrumModel
from catalog.mock.stars import draw_stars
from catalog.profiles.model import LikenessSettings, MockSettings
from catalog.releases import load_release

CATALOGUE = 886_080
PERPLEXITY = 50
NEW = 1_000
_BLOCK = 1_000


def make_scores(n: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return principal components of `n` spectra of the synthetic sky, and which would be training stars."""
    file = folder / f"likeness_{n}.npz"
    if file.exists():
        kept = np.load(file)
        return kept["scores"], kept["training"]
    stars = draw_stars(MockSettings(n_stars=n + NEW))
    stars = observe(2024, stars[stars["has_rvs"]].reset_index(drop=True))
    stars = stars.sample(frac=1.0, random_state=1).reset_index(drop=True)
    release = load_release("dr3")
    model, continuum = SpectrumModel(release.rvs), continuum_pixels(release.rvs)

    def block(first: int) -> np.ndarray:
        some = stars.iloc[first : first + _BLOCK].reset_index(drop=True)
        flux, _ = observe_spectra(2024, some, model.flux(some))
        return repair_flux(flux, continuum)[0]

    head = [block(first) for first in range(0, min(5_000, len(stars)), _BLOCK)]
    ids = np.arange(_BLOCK * len(head))
    known = [(ids[_BLOCK * i : _BLOCK * i + len(each)], each) for i, each in enumerate(head)]
    basis: Basis = principal_components(lambda: known, 50).basis
    scores = [basis.scores(each) for each in head]
    scores += [basis.scores(block(first)) for first in range(_BLOCK * len(head), len(stars), _BLOCK)]
    common = stars["kind"].isin(["dwarf", "subgiant", "giant", "red clump"]).to_numpy()
    training = common & (stars["snr"].to_numpy() > 30) & (np.random.default_rng(3).random(len(stars)) < 0.15)
    np.savez(file, scores=np.concatenate(scores), training=training)
    return np.concatenate(scores), training


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what `work` returns, its times in seconds, and the peak of memory until then."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "mb": peak_memory_mb(),
    }


def one_size(n: int, workers: int, folder: Path, sklearn: bool, embed: bool) -> dict[str, Any]:
    """Measure one sample size."""
    scores, training = make_scores(n, folder)
    new, scores, training = scores[n:], np.ascontiguousarray(scores[:n]), training[:n]
    settings = LikenessSettings()
    k = n_neighbours(settings.perplexities)
    told: dict[str, Any] = {"n": n, "training": int(training.sum()), "start": {"mb": peak_memory_mb()}}
    index, told["index"] = timed(lambda: build_index(scores, k, settings.seed))
    told["search"] = index.words
    neighbours, told["neighbours"] = timed(lambda: index.search(k, None, workers))
    own = np.where(training, np.cumsum(training) - 1, -1)
    _, told["companion"] = timed(lambda: nearest_training(scores[:, :7], scores[training][:, :7], own, None, workers))
    affinities, told["affinities"] = timed(lambda: _affinities(neighbours, max(settings.perplexities), workers))
    told["affinities"]["nnz"] = int(affinities.P.nnz)
    del affinities
    positions = scores[:, :2]
    if embed:
        affinities = _affinities(neighbours, PERPLEXITY, workers)
        start = _initial_positions(scores, settings.seed)
        embedding, told["embedding"] = timed(lambda: _embed(affinities, start, settings, lambda *_: False))
        told["embedding"] |= {
            "kl": float(embedding.kl_divergence),
            "gradient": "Barnes-Hut" if n < BARNES_HUT_BELOW else "FFT",
        }
        positions = np.asarray(embedding, dtype=np.float32)
        threshold = np.quantile(training_distances(positions, training)[training], settings.quantile)
        told["threshold"] = float(threshold)

    def place_new() -> np.ndarray:
        found = index.search(settings.placed_by, new, workers)
        # Four maps.
        return np.array([nearest_distance(positions[training], place(positions, found.indices)) for _ in range(4)])

    place_new()
    _, told["placement"] = timed(place_new)
    if sklearn:
        from sklearn.manifold import TSNE

        def theirs() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return TSNE(perplexity=PERPLEXITY, max_iter=750, init="pca", n_jobs=workers).fit(scores)

        fitted, told["scikit-learn"] = timed(theirs)
        told["scikit-learn"]["kl"] = float(fitted.kl_divergence_)
    return told


def rate(sizes: list[int], values: list[float]) -> tuple[float, float]:
    """Return factor and power of the power law through the largest two sizes."""
    if len(sizes) < 2 or min(values[-2:]) <= 0:
        return values[-1] / sizes[-1], 1.0
    power = float(np.log(values[-1] / values[-2]) / np.log(sizes[-1] / sizes[-2]))
    return values[-1] / sizes[-1] ** power, power


def extrapolate(results: list[dict[str, Any]]) -> None:
    """Print what the whole catalogue would cost, by power laws through the two largest sizes that were measured."""
    print(f"\nExtrapolated to {CATALOGUE:,} stars, CPU hours (power of N through the two largest sizes):")
    hours: dict[str, float] = {}
    for part in ("index", "neighbours", "companion", "affinities", "embedding"):
        found = [r for r in results if part in r and (part != "embedding" or r[part]["gradient"] == "FFT")]
        if part in ("index", "neighbours"):
            found = [r for r in found if r["search"] != "exact"] or found
        if not found:
            print(f"  {part:12s} not measured")
            continue
        sizes, values = [r["n"] for r in found], [r[part]["cpu"] for r in found]
        factor, power = rate(sizes, values)
        # No part can cost less than its share of the stars.
        seconds = max(factor * CATALOGUE**power, values[-1] / sizes[-1] * CATALOGUE)
        times = 4 if part in ("affinities", "embedding") else 1
        hours[part] = times * seconds / 3600
        print(f"  {part:12s} {hours[part]:7.2f}   (N^{power:.2f}, {times} x)")
    if "embedding" not in hours:
        return
    for cores in (2, 16):
        spread = sum(hours.get(part, 0.0) for part in ("neighbours", "companion", "affinities")) / cores
        maps = hours["embedding"] / min(cores, 4)
        total = hours.get("index", 0.0) + spread + maps
        print(f"  wall on {cores:2d} free cores: {total:.1f} h ({min(cores, 4)} maps at once)")
    nnz = results[-1]["affinities"]["nnz"] / results[-1]["n"]
    k = n_neighbours(LikenessSettings().perplexities)
    one = CATALOGUE * 12 * nnz / 1e9
    found = CATALOGUE * 8 * k / 1e9
    print(f"  memory: neighbours {found:.1f} GB, affinities of perplexity 100 {one:.1f} GB, others in proportion;")
    print("          about three times as much while they are made, one map at a time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="5000,10000,20000")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sklearn-below", type=int, default=6_000)
    parser.add_argument("--embed-below", type=int, default=60_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where spectra are kept between calls")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        n = arguments.one
        told = one_size(n, arguments.workers, arguments.folder, n < arguments.sklearn_below, n < arguments.embed_below)
        print(json.dumps(told))
        return
    results = []
    parts = ("index", "neighbours", "companion", "affinities", "embedding", "placement", "scikit-learn")
    print(f"{arguments.workers} threads; wall s / CPU s / peak MB\n{'stars':>8s}" + "".join(f"{p:>22s}" for p in parts))
    for n in map(int, arguments.sizes.split(",")):
        make_scores(n, arguments.folder)
        command = [sys.executable, __file__, "--one", str(n), *sys.argv[1:]]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        results.append(told)
        cells = [
            f"{told[p]['wall']:.1f} / {told[p]['cpu']:.1f} / {told[p]['mb']:.0f}" if p in told else "–" for p in parts
        ]
        print(f"{n:8,d}" + "".join(f"{cell:>22s}" for cell in cells), flush=True)
        print(f"{'':8s}  neighbours: {told['search']}", flush=True)
        if "embedding" in told:
            theirs = f", scikit-learn {told['scikit-learn']['kl']:.3f}" if "scikit-learn" in told else ""
            print(f"{'':8s}  {told['embedding']['gradient']}, KL {told['embedding']['kl']:.3f}{theirs}", flush=True)
    extrapolate(results)


if __name__ == "__main__":
    main()
