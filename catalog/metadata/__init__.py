"""The one home of facts about labels and published columns."""

from catalog.metadata.labels import FLAG_DIGITS, LABELS, TABLE_LABELS, FlagDigit, Label, decode_flag

__all__ = ["FLAG_DIGITS", "LABELS", "TABLE_LABELS", "FlagDigit", "Label", "decode_flag"]
