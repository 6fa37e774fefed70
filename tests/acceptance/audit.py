"""Ask whether locked packages have known vulnerabilities: ``python tests/acceptance/audit.py [LOCK ...]``.

``pip-audit`` is installed into a temporary environment of its own, and asked about every package of the locks, by
default both of the checkout. Exit status: 0 none is known, 1 some are, 2 the index or its advisories did not answer for
some package, so that nothing was shown.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def install(folder: Path) -> Path:
    """Make an environment with pip-audit, and return the program."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "pip-audit"], check=True)
    return folder / "bin" / "pip-audit"


def audit(program: Path, lock: Path) -> list[dict[str, Any]] | None:
    """Return what is told of each package of a lock; None when nobody answers."""
    command = [
        program,
        "--require-hashes",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "-r",
        lock,
    ]
    told = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    try:
        return list(json.loads(told.stdout)["dependencies"])
    except (ValueError, KeyError):
        say(told.stderr.strip()[-2000:])
        return None


def main() -> None:
    """Audit all locks, and print a line for each."""
    locks = [Path(name).resolve() for name in sys.argv[1:]] or [ROOT / name for name in LOCKS]
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        program = install(Path(folder))
        for lock in locks:
            packages = audit(program, lock)
            if packages is None:
                say(f"{lock.name}: not audited, nobody answers")
                status = status or 2
                continue
            unknown = [package for package in packages if "skip_reason" in package]
            bad = [package for package in packages if package.get("vulns")]
            n = len(packages)
            say(f"{lock.name}: {n - len(unknown)} of {n} packages audited, {len(bad)} vulnerable")
            for package in bad:
                for each in package["vulns"]:
                    fixed = ", ".join(each["fix_versions"]) or "no version"
                    say(f"  {package['name']} {package['version']}: {each['id']}, mended in {fixed}")
            if unknown:
                say(f"  not audited: {unknown[0]['skip_reason']}" + (" and others" if len(unknown) > 1 else ""))
            status = 1 if bad else status or (2 if unknown else 0)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
