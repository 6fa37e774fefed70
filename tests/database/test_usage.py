"""Time and memory of a stretch of work."""

import subprocess
import sys
import time

from catalog.database.usage import Usage

BUSY = "import time; x = bytearray(120_000_000); end = time.process_time() + 0.6\nwhile time.process_time() < end: pass"


def test_children_count() -> None:
    with Usage() as usage:
        subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert usage.cpu_s > 0.2
    assert usage.peak_mb > 120
    assert usage.wall_s >= 0.6


def test_what_children_did_before_does_not_count() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", BUSY + "\nprint('done', flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        child.stdout.readline()
        with Usage() as usage:
            time.sleep(0.3)
        assert usage.cpu_s < 0.4
    finally:
        child.kill()
        child.communicate()


def test_update_reads_the_figures_inside() -> None:
    with Usage() as usage:
        time.sleep(0.05)
        usage.update()
        assert usage.wall_s >= 0.05
        assert usage.peak_mb > 10
