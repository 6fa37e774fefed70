"""Regression tests of the resource descriptor, made from rows of the version (``dachs test``)."""

import re
from typing import Any
from xml.sax.saxutils import escape

from catalog.metadata.columns import RVS_CNN, RVS_CNN_EXTENDED
from catalog.publish.formats.votable_document import element
from catalog.publish.handover.subject import Subject

__all__ = ["regression_tests"]

_SCALE = 1e-6
"""Relative difference of a number that came through a file as float32."""


def regression_tests(subject: Subject, cone: str) -> str:
    """Return the ``regSuite``: each example star by cone search and by TAP, and the number of rows."""
    narrow, wide = (f"{subject.schema}.{subject.adopted(each).name}" for each in (RVS_CNN, RVS_CNN_EXTENDED))
    tests = [
        test
        for star in subject.stars
        for test in (
            _test(
                f"Cone search finds source_id {star['source_id']}",
                {"RA": repr(star["ra"]), "DEC": repr(star["dec"]), "SR": "0.0005", "VERB": "3"},
                f"{cone}/scs.xml",
                [
                    f'rows = [row for row in self.getVOTableRows() if str(row["source_id"]) == "{star["source_id"]}"]',
                    "row = self.getUnique(rows)",
                    *_close(star, ("ra", "dec")),
                ],
            ),
            _tap(
                f"TAP serves source_id {star['source_id']} as it was published",
                f"SELECT * FROM {narrow} WHERE sourceid = '{_digits(star['sourceid'])}'",
                [
                    "row = self.getUnique(self.getVOTableRows())",
                    f"self.assertEqual(len(row), {len(RVS_CNN.columns)})",
                    f'self.assertEqual(row["flag_boundary"], "{_digits(star["flag_boundary"])}")',
                    *_close(star, [each.name for each in RVS_CNN.columns if each.sql_type == "real"]),
                ],
            ),
        )
    ]
    counted = _tap(
        "All rows are there",
        f"SELECT COUNT(*) AS n FROM {wide}",
        [f'self.assertEqual(self.getFirstVOTableRow()["n"], {subject.adopted(RVS_CNN_EXTENDED).n_rows})'],
    )
    body = "\n".join([*tests, counted])
    suite = element("regSuite", {"title": f"{subject.schema} regression"}, f"\n{body}\n")
    return "\n" + suite


def _tap(title: str, query: str, code: list[str]) -> str:
    return _test(title, {"parSet": "TAP", "QUERY": query}, "/tap/sync", code)


def _test(title: str, parameters: dict[str, str], path: str, code: list[str]) -> str:
    url = element("url", dict(parameters), path)
    lines = "".join(f"\n      {line}" for line in code)
    body = element("code", {}, escape(lines) + "\n    ")
    return "  " + element("regTest", {"title": title}, url + body)


def _close(star: dict[str, Any], names: list[str] | tuple[str, ...]) -> list[str]:
    values = ", ".join(f'("{name}", {star[name]!r})' for name in names)
    return [f"for name, value in [{values}]:", f"  self.assertLessEqual(abs(row[name] - value), {_SCALE} * abs(value))"]


def _digits(text: str) -> str:
    """Return `text`, which is to stand in code and in a query."""
    if not re.fullmatch(r"\d+", text):
        raise ValueError(f"{text!r} is no number.")
    return text
