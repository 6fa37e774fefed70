"""What all pages share: how templates are read, the style sheet, and how names are written."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["nice", "page_environment", "style_sheet"]

_TEMPLATES = Path(__file__).parent / "templates"


def page_environment() -> Environment:
    """Return what reads the templates: everything is escaped, and a name that is not there is an error."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": lambda n: f"{n:,}"}
    return environment


def style_sheet() -> Markup:
    """Return the style of all pages, to be put into them."""
    return Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def nice(text: str) -> str:
    """Write minus and order signs as in print; the keys stay easy to type."""
    for plain, sign in ((" - ", " − "), ("<=", "≤"), (">=", "≥"), (" -1", " −1"), ("_", " ")):
        text = text.replace(plain, sign)
    return text
