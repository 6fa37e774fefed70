"""`rvscat prune`: what old runs left, and how it is removed without what is still needed."""

from catalog.operations.prune.items import Item, Kept, Plan, Rules
from catalog.operations.prune.planning import plan_pruning
from catalog.operations.prune.removal import prune

__all__ = ["Item", "Kept", "Plan", "Rules", "plan_pruning", "prune"]
