"""Handing a published version over to an archive: one module a target, all from ``catalog.metadata``."""

from catalog.publish.handover.package import TARGETS, HandoverResult, hand_over

__all__ = ["TARGETS", "HandoverResult", "hand_over"]
