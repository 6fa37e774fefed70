"""Archives of survey files: a DataLink download is one survey file with as many tables as it has members.

Names as in real downloads: ``RVS-Gaia DR3 <source_id>.csv`` for INDIVIDUAL products; ``<type>_RAW.*`` and
``<type>_COMBINED.*`` as the archive describes them, no such download seen. Members of other retrieval types
are left out with a notice; names of another kind are taken for the product's own.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.columns import Notices
from catalog.surveys.formats import Part, ZipArchive
from catalog.surveys.merging import merge_batches
from catalog.surveys.product import Product

__all__ = ["archive_batches", "retrieval_type"]

_DATALINK_NAME = re.compile(r"(?:.*/)?([A-Z][A-Z0-9_]*?)(?:_(?:RAW|COMBINED|INDIVIDUAL)\b|-Gaia )")


def retrieval_type(member: str) -> str | None:
    """Return the DataLink retrieval type that the name of a member begins with; None for other names."""
    match = _DATALINK_NAME.match(member)
    return match[1] if match else None


def archive_batches(product: Product, archive: ZipArchive, release: Release, notices: Notices) -> Iterator[SurveyBatch]:
    """Yield the rows of an archive's members; row numbers go on from member to member.

    Parameters
    ----------
    product : Product
    archive : ZipArchive
    release : Release
        Names the retrieval types of its products.
    notices : Notices

    Raises
    ------
    FormatError
        No member is of the product, or one of them is damaged or not as it should be: it is named.
    """
    types = {
        source.datalink.retrieval_type
        for source in release.sources.values()
        if source.product == product.name and source.datalink is not None
    }
    others = Counter(
        kind for member in archive.members if (kind := retrieval_type(member)) is not None and kind not in types
    )
    if others.total() == len(archive.members):
        raise FormatError(
            f"{archive.path} holds {', '.join(others)} and no {product.name}.",
            "Is it in the folder of its own product?",
        )
    if others:
        counted = ", ".join(f"{n:,} {kind}" for kind, n in others.items())
        notices.texts.append(f"{product.name}: members of the archive that are not read: {counted}")
    wanted = {None, *types}
    order = "source_id" if product.keyed_by_source else None
    with closing(archive.parts(lambda member: retrieval_type(member) in wanted)) as parts:
        yield from merge_batches(_Reader(product, release, notices).batches(parts), order)


@dataclass
class _Reader:
    product: Product
    release: Release
    notices: Notices
    n_rows: int = 0
    """Rows taken over so far."""
    misfit: FormatError | None = None
    """Why the first member without any good row has none."""

    def batches(self, parts: Iterable[Part]) -> Iterator[SurveyBatch]:
        n_before, fraction = 0, 0.0
        for part in parts:
            for rows in self._members(part):
                last_row = 0
                for batch in rows:
                    self.n_rows += len(batch)
                    last_row = max(last_row, batch.last_row)
                    so_far = fraction + (part.fraction - fraction) * batch.fraction
                    yield replace(batch.shifted(n_before), fraction=so_far)
                n_before += last_row
            fraction = part.fraction
            # Each member says the same.
            self.notices.texts[:] = dict.fromkeys(self.notices.texts)
        if self.misfit is not None and not self.n_rows:
            raise self.misfit

    def _members(self, part: Part) -> Iterator[Iterable[SurveyBatch]]:
        """Yield the batches of each member; of joined ones together if nothing is wrong with any of them."""
        if not part.singles:
            yield self._read(part)
            return
        joined = self._read_joined(part)
        if joined:
            yield joined
            return
        # One by one, so that messages name the member.
        for single in part.singles:
            yield self._read(single)

    def _read_joined(self, part: Part) -> list[SurveyBatch]:
        try:
            with part.open() as tables:
                batches = list(self.product.batches(tables, self.release, self.notices))
        except FormatError:
            return []
        return [] if any(batch.rejections for batch in batches) else batches

    def _read(self, part: Part) -> Iterator[SurveyBatch]:
        n_good, n_bad = 0, 0
        with part.open() as tables:
            try:
                for batch in self.product.batches(tables, self.release, self.notices):
                    n_good, n_bad = n_good + len(batch), n_bad + len(batch.rejections)
                    named = [
                        replace(row, reason=f"{part.member}, row {row.row_number}: {row.reason}")
                        for row in batch.rejections
                    ]
                    yield replace(batch, rejections=named)
            except FormatError as error:
                # A file of bad rows alone is a bad file; here it is one of many, and its rows are set aside.
                if n_good or not n_bad:
                    raise
                self.misfit = self.misfit or error
