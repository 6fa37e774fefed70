"""The README files that go with a hand-over: templates beside this module, filled with facts of the version."""

from importlib.resources import files
from string import Template

from catalog.publish.handover.subject import Subject

__all__ = ["DACHS", "DAIQUIRI", "fill"]

DACHS = "dachs.md"
DAIQUIRI = "daiquiri.md"


def fill(name: str, subject: Subject, **values: str) -> str:
    """Return the template `name` with the facts of `subject` and `values` in place of its ``$names``."""
    template = Template(files(__package__).joinpath("templates", name).read_text(encoding="utf-8"))
    publication = subject.publication
    return template.substitute(
        title=subject.title.replace("`", "'"),
        schema=subject.schema,
        version=str(publication.version),
        n_rows=f"{publication.n_rows:,}",
        sha256=publication.sha256,
        software=subject.software,
        wide=subject.base_table(next(each.info for each in subject.tables if each.info.name == "rvs_cnn_extended")),
        **values,
    )
