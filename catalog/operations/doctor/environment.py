"""Python, packages, processor and memory."""

import os
import platform
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from catalog.operations.doctor.estimate import needed_memory
from catalog.operations.doctor.findings import Finding, Patient, failure, fine, gigabytes, warning
from catalog.settings import CHECKOUT

__all__ = ["examine_machine", "examine_packages"]

_PACKAGES, _MACHINE = "packages", "machine"
_DISTRIBUTION = "rvscat"
_DEVELOPERS = ("dev", "build")
"""Extras that a user needs nothing of."""


def examine_packages(patient: Patient) -> Iterator[Finding]:
    """Compare Python and the installed packages with what is declared."""
    del patient
    try:
        wanted, declared, extras = _declared()
    except metadata.PackageNotFoundError:
        yield failure(
            _PACKAGES, "rvscat itself is not installed.", "Install it: `make install`, or pip install rvscat."
        )
        return
    version = platform.python_version()
    if SpecifierSet(wanted).contains(version):
        yield fine(_PACKAGES, f"Python {version} ({sys.executable})")
    else:
        yield failure(_PACKAGES, f"Python {version} is not {wanted}.", "Make the environment with one of these.")
    needed = [each for each in declared if _applies(each)]
    wrong = [words for each in needed if (words := _wrong(each))]
    if wrong:
        yield failure(
            _PACKAGES, "; ".join(wrong) + ".", "Install what is declared: `make install`, or pip install rvscat."
        )
    else:
        yield fine(_PACKAGES, f"rvscat {metadata.version(_DISTRIBUTION)} and {len(needed)} declared packages")
    for extra, listed in extras.items():
        if extra not in _DEVELOPERS:
            yield _extra(extra, [each for each in listed if _applies(each, extra)])


def _declared() -> tuple[str, list[Requirement], dict[str, list[Requirement]]]:
    """Return versions of Python, packages that are needed, and those of each extra."""
    file = CHECKOUT / "pyproject.toml"
    if file.is_file():
        # A checkout that is installed in place: what was written down when it was installed may be old.
        project = tomllib.loads(file.read_text())["project"]
        extras = {name: list(map(Requirement, each)) for name, each in project["optional-dependencies"].items()}
        return project["requires-python"], list(map(Requirement, project["dependencies"])), extras
    about = metadata.metadata(_DISTRIBUTION)
    every = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or []]
    extras = {
        extra: [each for each in every if not _applies(each) and _applies(each, extra)]
        for extra in about.get_all("Provides-Extra") or []
    }
    return about["Requires-Python"] or "", [each for each in every if _applies(each)], extras


def _applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _extra(extra: str, needed: list[Requirement]) -> Finding:
    missing = [each.name for each in needed if _installed(each.name) is None]
    wrong = [words for each in needed if each.name not in missing and (words := _wrong(each))]
    if wrong:
        return warning(_PACKAGES, f"extra {extra}: {'; '.join(wrong)}.", f"pip install 'rvscat[{extra}]'")
    if missing:
        return fine(
            _PACKAGES, f"extra {extra} is not installed ({', '.join(missing)}); pip install 'rvscat[{extra}]' does"
        )
    return fine(_PACKAGES, f"extra {extra}: {', '.join(each.name for each in needed)}")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _wrong(requirement: Requirement) -> str:
    version = _installed(requirement.name)
    if version is None:
        return f"{requirement.name} is missing"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{requirement.name} {version} is not {requirement.specifier}"
    return ""


def examine_machine(patient: Patient) -> Iterator[Finding]:
    """Look at processor and memory, and what the profile needs of them."""
    flags = _processor_flags()
    widest = next((name for name, need in _KERNELS if need <= flags), None)
    if widest is not None:
        yield fine(_MACHINE, f"processor with {widest}: labels are predicted by kernels compiled for it")
    elif flags:
        yield warning(
            _MACHINE,
            "The processor has neither AVX-512 nor AVX2 with FMA: predictions take several times as long.",
            "Use another machine for large runs, or another runtime: pip install 'rvscat[runtimes]'.",
        )
    else:
        yield fine(_MACHINE, f"processor {platform.machine()}: what it can do is found when kernels are compiled")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = patient.settings.workers
    if workers > cores:
        yield warning(
            _MACHINE,
            f"{workers} workers on {cores} cores: they take turns, and memory for all.",
            f"Set RVSCAT_WORKERS={cores}, or workers = {cores} in rvscat.toml.",
        )
    else:
        yield fine(_MACHINE, f"{workers} workers on {cores} cores")
    yield _memory(patient)


_KERNELS = (("AVX-512", {"avx512f", "avx512vl"}), ("AVX2", {"avx2", "fma"}))


def _processor_flags() -> set[str]:
    """Return what the processor says it can do; empty where Linux does not tell."""
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        return set()
    lines = [line for line in file.read_text().splitlines() if line.startswith("flags")]
    return set(lines[0].split()) if lines else set()


def _memory(patient: Patient) -> Finding:
    available = min(psutil.virtual_memory().available, _free_in_group())
    need, source = needed_memory(patient)
    name = patient.profile.name
    text = f"{gigabytes(available)} of memory free; profile {name} needs about {gigabytes(need)} ({source})"
    if available < need:
        return warning(
            _MACHINE, f"{text}.", "End other programs, use fewer workers (RVSCAT_WORKERS) or a larger machine."
        )
    return fine(_MACHINE, text)


def _free_in_group() -> float:
    """Return the memory that a container leaves to this process, bytes."""
    group = Path("/sys/fs/cgroup")
    try:
        return float((group / "memory.max").read_text()) - float((group / "memory.current").read_text())
    except (OSError, ValueError):
        return float("inf")  # no limit, or none that is told
