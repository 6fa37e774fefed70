"""Columns of the published tables: the one home of their names, types, units, UCDs and descriptions.

SQL comments, TAP_SCHEMA rows and the headers of exported files all come from here. Units are VOUnits; ``'dex'`` is
quoted because the VOUnits standard does not list it, and log g is written as in Gaia's own tables.
"""

from dataclasses import dataclass, replace

from catalog.metadata.labels import FLAG_DIGITS, TABLE_LABELS, FlagDigit, Label

__all__ = [
    "BOUNDARY_LIMITS",
    "FLAG_BOUNDARY_DECODED",
    "FLAG_BOUNDARY_EXPLAINED",
    "PERPLEXITIES",
    "PUBLISHED_TABLES",
    "RVS_CNN",
    "RVS_CNN_EXTENDED",
    "Column",
    "Key",
    "TableInfo",
    "decoded_name",
]


@dataclass(frozen=True)
class Column:
    """One published column."""

    name: str
    sql_type: str
    """PostgreSQL type."""
    datatype: str
    """VOTable type."""
    arraysize: str | None
    """VOTable arraysize; None for a single number."""
    unit: str | None
    """VOUnit."""
    ucd: str
    """UCD1+."""
    description: str
    nullable: bool = False
    principal: bool = False
    """Worth showing when only some columns are."""
    indexed: bool = False
    std: bool = False
    """Defined by an IVOA standard."""


@dataclass(frozen=True)
class Key:
    """A foreign key that users can join by."""

    key_id: str
    column: str
    target_table: str
    target_column: str
    description: str


@dataclass(frozen=True)
class TableInfo:
    """One published table or view."""

    schema: str
    name: str
    title: str
    description: str
    columns: tuple[Column, ...]
    primary_key: str | None = None
    keys: tuple[Key, ...] = ()
    std: bool = False
    """Defined by an IVOA standard."""

    @property
    def qualified_name(self) -> str:
        """``schema.table``, as ADQL and TAP_SCHEMA write it."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)


PERPLEXITIES = (30, 50, 75, 100)
"""Perplexities whose map distances are published (Sect. 5.1)."""


def _ascii(text: str) -> str:
    # FITS headers and many archives take no Greek letters.
    return text.replace("α", "alpha")


# PostgreSQL and VOTable names of the same type.
_TYPES = {"real": "float", "double precision": "double", "smallint": "short", "bigint": "long"}


def _number(sql_type: str, name: str, unit: str | None, ucd: str, description: str, **facts: bool) -> Column:
    return Column(name, sql_type, _TYPES[sql_type], None, unit, ucd, description, **facts)


def _real(name: str, unit: str | None, ucd: str, description: str, **facts: bool) -> Column:
    return _number("real", name, unit, ucd, description, **facts)


def _double(name: str, unit: str | None, ucd: str, description: str, **facts: bool) -> Column:
    return _number("double precision", name, unit, ucd, description, **facts)


def _text(name: str, length: int, ucd: str, description: str, **facts: bool) -> Column:
    return Column(name, f"varchar({length})", "char", f"{length}*", None, ucd, description, **facts)


def _code(name: str, length: int, ucd: str, description: str, **facts: bool) -> Column:
    return Column(name, f"char({length})", "char", str(length), None, ucd, description, **facts)


_UCDS = {
    "teff": "phys.temperature.effective",
    "logg": "phys.gravity",
    "mh": "phys.abund.Z",
    "alpham": "phys.abund",
    "feh": "phys.abund.Fe",
}


def _label_columns(label: Label) -> tuple[Column, Column, Column]:
    name, text, ucd = label.name, _ascii(label.text), _UCDS[label.name]
    return (
        _real(name, label.unit, ucd, f"{label.words} {text}: mean over the ensemble's members", principal=True),
        _real(
            f"e{name}",
            label.unit,
            f"stat.stdev;{ucd}",
            f"Model-to-model dispersion of {text}: standard deviation over the ensemble's members",
        ),
        _real(
            f"sigma_{name}",
            label.unit,
            f"stat.error;{ucd}",
            f"Overall uncertainty of {text}: its model-to-model dispersion and the dispersion of training residuals "
            "at this value, added in quadrature",
            principal=True,
        ),
    )


_LABEL_COLUMNS = tuple(column for label in TABLE_LABELS for column in _label_columns(label))


def _calibrated_column(label: Label) -> Column:
    text = _ascii(label.text)
    return _real(
        f"sigma_{label.name}_oof",
        label.unit,
        f"stat.error;{_UCDS[label.name]}",
        f"Calibrated uncertainty of {text}: holds 68.27 per cent of the differences from APOGEE of training stars, as "
        "labelled by the members that had not seen them; null where an ensemble has no calibration",
        nullable=True,
        principal=True,
    )


_CALIBRATED_COLUMNS = tuple(_calibrated_column(label) for label in TABLE_LABELS)
_SOURCE_ID = _number(
    "bigint", "source_id", None, "meta.id;meta.main", "Gaia source identifier", principal=True, indexed=True
)
# Fixed width in files, where the longest identifier has 19 digits.
_SOURCEID = Column(
    "sourceid",
    "varchar(19)",
    "char",
    "19",
    None,
    "meta.id;meta.main",
    "Gaia source identifier as text",
    principal=True,
    indexed=True,
)
_FLAG = _code(
    "flag_boundary",
    8,
    "meta.code.qual",
    "Boundary flag of eight digits, 0 inside and 1 outside the training sample: "
    + ", ".join(_ascii(digit.text) for digit in FLAG_DIGITS)
    + "; 00000000 is recommended",
    principal=True,
)

RVS_CNN = TableInfo(
    "catalogue",
    "rvs_cnn",
    "Stellar labels of Gaia RVS stars",
    "Atmospheric parameters and chemical abundance ratios of Gaia RVS stars from a hybrid convolutional neural network "
    "trained on APOGEE DR17 labels, with uncertainties and the boundary flag (Table 2 of Guiglion et al. 2024)",
    (_SOURCEID, *_LABEL_COLUMNS, _FLAG),
    primary_key="sourceid",
    keys=(
        Key(
            "rvs_cnn_extended",
            "sourceid",
            "catalogue.rvs_cnn_extended",
            "sourceid",
            "The same star with its Gaia data, sample and provenance",
        ),
    ),
)
"""The 17 columns of Table 2, in its order."""

_RELEASE = "Gaia data release that the source identifier belongs to, or synthetic sky"
_AT_EPOCH = "ICRS, at the release's reference epoch"
_STAR_COLUMNS = (
    _SOURCE_ID,
    replace(_SOURCEID, ucd="meta.id", principal=False, description="Gaia source identifier as text, as in rvs_cnn"),
    _text("release", 64, "meta.version", _RELEASE),
    _text("role", 8, "meta.code.class", "Sample of the star: training or observed", principal=True),
    _double("ra", "deg", "pos.eq.ra;meta.main", f"Right ascension, {_AT_EPOCH}", principal=True, indexed=True),
    _double("dec", "deg", "pos.eq.dec;meta.main", f"Declination, {_AT_EPOCH}", principal=True, indexed=True),
    _double("l", "deg", "pos.galactic.lon", "Galactic longitude", nullable=True),
    _double("b", "deg", "pos.galactic.lat", "Galactic latitude", nullable=True),
    _real("phot_g_mean_mag", "mag", "phot.mag;em.opt", "Gaia G magnitude", nullable=True, principal=True),
    _real("bp_rp", "mag", "phot.color;em.opt.B;em.opt.R", "Gaia BP - RP colour", nullable=True),
    _double("parallax", "mas", "pos.parallax.trig", "Parallax", nullable=True),
    _real("parallax_error", "mas", "stat.error;pos.parallax.trig", "Standard error of the parallax", nullable=True),
    _real(
        "rvs_spec_sig_to_noise", None, "stat.snr;spect", "S/N of the mean RVS spectrum", nullable=True, principal=True
    ),
    _real("ruwe", None, "stat.fit.goodness;pos", "Renormalised unit weight error of the astrometry", nullable=True),
    _real("radial_velocity", "km.s**-1", "spect.dopplerVeloc.opt", "Radial velocity from RVS", nullable=True),
    _real(
        "radial_velocity_error",
        "km.s**-1",
        "stat.error;spect.dopplerVeloc.opt",
        "Uncertainty of the radial velocity",
        nullable=True,
    ),
)
_BITS = "Boundary flag as a bitmask: digit 1 of flag_boundary is bit 0"
_DISTANCE = "Distance to the nearest (other) training star in the t-SNE map of perplexity"
_PROVENANCE_COLUMNS = (
    _number("smallint", "flag_bits", None, "meta.code.qual", _BITS),
    _number("smallint", "n_members", None, "meta.number", "Members of the ensemble that the labels are averaged over"),
    *(
        _real(f"tsne_distance_{p}", None, "stat.value", f"{_DISTANCE} {p}; null without such a map", nullable=True)
        for p in PERPLEXITIES
    ),
    _real(
        "tsne_ratio",
        None,
        "stat.value",
        "Largest of the star's distances in all t-SNE maps of the run, each in units of the largest distance that "
        "counts as training-like there; null where the star stands in no map",
        nullable=True,
    ),
    _real(
        "pca_distance",
        None,
        "stat.value",
        "Distance of the RVS spectrum to the most similar (other) training spectrum, both as principal components, in "
        "units of normalised flux; null where it was not computed",
        nullable=True,
    ),
    _real(
        "pca_quantile",
        None,
        "stat.value",
        "Fraction of training stars whose own pca_distance is smaller; 1 is farther than all of them",
        nullable=True,
    ),
    _number(
        "smallint",
        "pca_outside",
        None,
        "meta.code.qual",
        "Companion of digit 8 without t-SNE: 1 when pca_distance is beyond its limit in boundary_limits, else 0",
        nullable=True,
    ),
    _text("apogee_id", 32, "meta.id.cross", "APOGEE DR17 identifier, where the star has one", nullable=True),
    _code("ensemble", 64, "meta.id.assoc", "Key of the trained ensemble: SHA-256 of training sample and settings"),
    _number("bigint", "run_id", None, "meta.id.parent", "Production run that made the row"),
)

RVS_CNN_EXTENDED = TableInfo(
    "catalogue",
    "rvs_cnn_extended",
    "Labels with the star's Gaia data and provenance",
    "The labels and flag of rvs_cnn and calibrated uncertainties beside each star's position, photometry, parallax and "
    "spectrum quality, its sample, its distances in the t-SNE maps, and the ensemble and run that made it",
    (*_STAR_COLUMNS, *_LABEL_COLUMNS, *_CALIBRATED_COLUMNS, _FLAG, *_PROVENANCE_COLUMNS),
    primary_key="source_id",
)


def decoded_name(digit: FlagDigit) -> str:
    """Return the column of ``flag_boundary_decoded`` that holds `digit`."""
    return "tsne_unlike" if digit.name == "tsne" else f"{digit.name}_outside"


def _decoded_column(digit: FlagDigit) -> Column:
    description = f"Digit {digit.position}: 1 when {_ascii(digit.words)}, else 0"
    return _number("smallint", decoded_name(digit), None, "meta.code.qual", description, principal=True)


FLAG_BOUNDARY_DECODED = TableInfo(
    "catalogue",
    "flag_boundary_decoded",
    "The boundary flag, digit by digit",
    "Each digit of flag_boundary as a column of its own, for queries that ask for one of them",
    (
        _SOURCE_ID,
        _FLAG,
        *map(_decoded_column, FLAG_DIGITS),
        _number("smallint", "n_digits", None, "meta.number", "Digits that are set; 0 is recommended"),
    ),
    keys=(
        Key(
            "flag_boundary_decoded",
            "source_id",
            "catalogue.rvs_cnn_extended",
            "source_id",
            "The star whose flag is decoded",
        ),
    ),
)

FLAG_BOUNDARY_EXPLAINED = TableInfo(
    "catalogue",
    "flag_boundary_explained",
    "The boundary flag in words",
    "Eight rows a star: what each digit of flag_boundary means for it, with value and limits",
    (
        _SOURCE_ID,
        _number("smallint", "digit", None, "meta.number", "Digit of flag_boundary, 1 to 8", principal=True),
        _text("quantity", 32, "meta.code", "What the digit is about", principal=True),
        _number("smallint", "outside", None, "meta.code.qual", "1 when the digit is set, else 0", principal=True),
        _double(
            "value",
            None,
            "stat.value",
            "The star's value: K, dex, mag or mas; of digit 8, tsne_ratio",
            nullable=True,
        ),
        _double("lower", None, "stat.value;stat.min", "Smallest value inside", nullable=True),
        _double("upper", None, "stat.value;stat.max", "Largest value inside", nullable=True),
        _text("words", 300, "meta.note", "The same as a sentence", principal=True),
    ),
    keys=(
        Key(
            "flag_boundary_explained",
            "source_id",
            "catalogue.rvs_cnn_extended",
            "source_id",
            "The star whose flag is explained",
        ),
    ),
)

BOUNDARY_LIMITS = TableInfo(
    "catalogue",
    "boundary_limits",
    "Limits behind the boundary flag",
    "Range of the training sample that each digit of flag_boundary compares with, largest distance that counts as "
    "training-like in each t-SNE map, and how they were made",
    (
        _text("quantity", 32, "meta.id;meta.main", "Column of rvs_cnn_extended, or g for G", principal=True),
        _number(
            "smallint",
            "digit",
            None,
            "meta.number",
            "Digit of flag_boundary that it makes; null for pca_distance",
            nullable=True,
            principal=True,
        ),
        _double(
            "lower",
            None,
            "stat.value;stat.min",
            "Smallest value inside: K, dex, mag, mas",
            nullable=True,
            principal=True,
        ),
        _double("upper", None, "stat.value;stat.max", "Largest value inside", principal=True),
        _text("rule", 16, "meta.code", "quantile of the training stars, or the values that the paper prints (paper)"),
        _real("quantile", None, "stat.value", "That quantile; of a range, left out at each end", nullable=True),
        _number("bigint", "n_training", None, "meta.number", "Training stars that the limit was made from"),
    ),
    primary_key="quantity",
)

PUBLISHED_TABLES: tuple[TableInfo, ...] = (
    RVS_CNN,
    RVS_CNN_EXTENDED,
    FLAG_BOUNDARY_DECODED,
    FLAG_BOUNDARY_EXPLAINED,
    BOUNDARY_LIMITS,
)
"""Everything in the schema ``catalogue``, in the order in which it is listed."""
