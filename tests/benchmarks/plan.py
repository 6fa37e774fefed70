"""Hours, disks and money for a number of spectra, from measured rates: the tables of docs/scale.md.

Run by hand: ``python tests/benchmarks/plan.py [--spectra 1e6 1e7 2e8] [--workers 16] [--database 8]
[--rate predict=2.1] [--price-core 0.04] [--price-tb 20]``. Put in what the benchmarks give on your machine.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

MEMBERS = 28
JOINT_STARS = 1_000_000
"""Larger catalogues have joint maps of so many stars; all others are placed in them."""
JOINT_CORES = 16
"""More of them do not make four maps faster."""
WORKERS, DATABASE = "workers", "database"


@dataclass(frozen=True)
class Rate:
    """What one star costs."""

    ms: float
    """CPU milliseconds."""
    where: str
    what: str
    source: str


RATES = {
    "read": Rate(0.320, WORKERS, "a spectrum with errors from .csv.gz: decompress, parse, check", "`bench_ingest.py`"),
    "copy": Rate(0.122, DATABASE, "COPY of it into two tables", "`bench_ingest.py`"),
    "rows": Rate(0.080, WORKERS, "its rows of gaia_source, parameters and XP coefficients", "estimate, by values"),
    "rows_copy": Rate(0.030, DATABASE, "COPY of these", "estimate, by values"),
    "sample": Rate(0.012, DATABASE, "matches, cuts, funnel", "[surveys](surveys.md): 12 s for 10⁶"),
    "serve": Rate(0.06, DATABASE, "COPY of its inputs out, cold", "16,000 stars a second"),
    "predict": Rate(3.63, WORKERS, f"labels by {MEMBERS} members", "`bench_predict.py`: 0.13 a member"),
    "place": Rate(0.6, WORKERS, "four frozen maps and the companion", "[likeness](likeness.md): 0.5 to 0.7"),
    "flag": Rate(0.02, DATABASE, "eight digits", "estimate"),
    "publish": Rate(0.15, DATABASE, "validation, tables with indices, checksums, exports", "estimate"),
}

TRAINING_HOURS = 14.0
"""28 members, 80 epochs of 44,780 stars; `bench_train.py`: 7 hours of two cores."""
JOINT_HOURS = (886_080, 3.2, 15.5)
"""Stars, and CPU hours of joint maps, low and high: docs/likeness.md."""

BYTES = {
    "downloaded files": 23_500,
    "survey tables": 334 + 301 + 2 * 10_791 + 1_101,
    "production tables, a run": 210 + 272 + 477 + 159 + 161,
    "a published version": 600,
}
"""Of a star. Files: text of random spectra, 21.2 kB, and 2.3 kB of all else. Tables: `sizes.py`; the last by
columns."""
INPUTS = 10_791 + 1_101 + 334
"""Bytes that prediction reads."""


@dataclass(frozen=True)
class Machines:
    """Cores, and the speed of the disk of the database."""

    workers: int
    database: int
    disk: float
    """Bytes a second."""


@dataclass(frozen=True)
class Step:
    """A stage: CPU hours of those who do it, and bytes."""

    name: str
    workers: float = 0.0
    database: float = 0.0
    n_bytes: float = 0.0
    most_workers: float = float("inf")
    sessions: float = 1.0
    """Of the database, that can work at once."""

    def wall(self, machines: Machines) -> float:
        """Return hours: all work at the same time, and the slowest one decides."""
        return max(
            self.workers / min(machines.workers, self.most_workers),
            self.database / min(machines.database, self.sessions),
            self.n_bytes / machines.disk / 3600,
        )


def steps(n: float, ms: Mapping[str, float]) -> list[Step]:
    """Return the stages for `n` spectra."""

    def hours(*names: str, stars: float = n) -> float:
        return sum(ms[name] for name in names) * stars / 3.6e6

    joint, many = min(n, JOINT_STARS), float("inf")
    cpu = sum(JOINT_HOURS[1:]) / 2 * (joint / JOINT_HOURS[0]) ** 1.2
    # What is written goes through the write-ahead log first.
    ingested = 2 * BYTES["survey tables"] * n
    return [
        Step("ingest", hours("read", "rows"), hours("copy", "rows_copy"), ingested, sessions=many),
        Step("sample", database=hours("sample")),
        Step("train", TRAINING_HOURS, most_workers=MEMBERS),
        Step("predict", hours("predict"), hours("serve"), INPUTS * n, sessions=many),
        Step("joint maps of 10⁶ stars, one machine", cpu, most_workers=JOINT_CORES),
        Step(
            "place all others",
            hours("place", stars=n - joint),
            hours("serve", stars=n - joint),
            INPUTS * (n - joint),
            sessions=many,
        ),
        Step("flag", database=hours("flag")),
        Step("validate, publish", database=hours("publish")),
    ]


def words(hours: float) -> str:
    """Return hours in a few characters."""
    if hours < 1 / 60:
        return "–" if not hours else "< 1 min"
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.1f} h" if hours < 10 else f"{hours:,.0f} h"


def size(n_bytes: float) -> str:
    """Return bytes in a few characters."""
    return f"{n_bytes / 1e9:,.0f} GB" if n_bytes < 1e12 else f"{n_bytes / 1e12:.1f} TB"


def line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n")
    print(line(*header))
    print("|" + "---|" * len(header))
    for row in rows:
        print(line(*row))


def tens(n: float) -> str:
    """Return a number of spectra as 2·10⁸."""
    mantissa, exponent = f"{n:.0e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if mantissa == "1" else f"{mantissa}·10{power}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=float, nargs="+", default=[1e6, 1e7, 2e8])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 16, 64], help="cores, for each of --spectra")
    parser.add_argument("--database", type=int, nargs="+", default=[2, 8, 16], help="cores of the server, likewise")
    parser.add_argument("--disk", type=float, default=500, help="MB that the server's disk reads or writes a second")
    parser.add_argument("--rate", action="append", default=[], metavar="NAME=MS", help=f"one of {', '.join(RATES)}")
    parser.add_argument("--price-core", type=float, default=0.04, help="of a core and hour")
    parser.add_argument("--price-tb", type=float, default=80.0, help="of a terabyte on SSD and month")
    arguments = parser.parse_args()
    ms = {name: rate.ms for name, rate in RATES.items()}
    for given in arguments.rate:
        name, _, value = given.partition("=")
        if name not in ms:
            parser.error(f"there is no rate {name!r}")
        ms[name] = float(value)
    plans = list(zip(arguments.spectra, arguments.workers, arguments.database, strict=True))

    table(
        "CPU milliseconds a star",
        ["rate", "ms", "of", "what", "source"],
        [[f"`{name}`", f"{ms[name]:g}", rate.where, rate.what, rate.source] for name, rate in RATES.items()],
    )
    header = ["", *(tens(n) for n, _, _ in plans)]
    rows = [[name, *(size(one * n) for n, _, _ in plans)] for name, one in BYTES.items()]
    table("On disk", header, [*rows, ["all", *(size(sum(BYTES.values()) * n) for n, _, _ in plans)]])

    every = [(steps(n, ms), Machines(w, d, arguments.disk * 1e6)) for n, w, d in plans]
    hours = [["worker cores", *(str(w) for _, w, _ in plans)], ["database cores", *(str(d) for _, _, d in plans)]]
    for i, step in enumerate(every[0][0]):
        hours.append([step.name, *(words(found[i].wall(machines)) for found, machines in every)])
    whole = [sum(step.wall(machines) for step in found) for found, machines in every]
    cpu = [sum(step.workers + step.database for step in found) for found, _ in every]
    hours.append(["all", *(words(one) for one in whole)])
    hours.append(["CPU hours", *(f"{one:,.0f}" for one in cpu)])
    table("Wall time", header, hours)

    rent = [(w + d) * one * arguments.price_core for one, (_, w, d) in zip(whole, plans, strict=True)]
    disks = [sum(BYTES.values()) * n / 1e12 * arguments.price_tb for n, _, _ in plans]
    table(
        f"Money, at {arguments.price_core:g} a core and hour and {arguments.price_tb:g} a terabyte and month",
        header,
        [["cores, once", *(f"{one:,.0f}" for one in rent)], ["disks, a month", *(f"{one:,.0f}" for one in disks)]],
    )


if __name__ == "__main__":
    main()
