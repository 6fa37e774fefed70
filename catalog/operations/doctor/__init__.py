"""`rvscat doctor`: looks at everything a run needs, changes nothing, and says what to do."""

from catalog.operations.doctor.examination import AREAS, examine
from catalog.operations.doctor.findings import Finding, Patient

__all__ = ["AREAS", "Finding", "Patient", "examine"]
