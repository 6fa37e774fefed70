"""Survey tables: rows as the archives publish them, and the ledger of files that they come from.

Revision: 0001_survey, 2026-11-22.
"""

from alembic import op

revision = "0001_survey"
down_revision = None
branch_labels = None
depends_on = None

# source_id is HEALPix order: the 12 base pixels of level 0 are ranges of 2**59 ids.
BASE_PIXELS = 12
IDS_PER_BASE_PIXEL = 1 << 59

LEDGER = """
CREATE SCHEMA survey;
CREATE SCHEMA production;

CREATE TABLE production.ingest_file (
    file_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release        text NOT NULL,
    product        text NOT NULL,
    name           text NOT NULL,
    path           text NOT NULL,
    sha256         char(64) NOT NULL,
    bytes          bigint NOT NULL,
    n_rows         integer,
    n_quarantined  integer,
    status         text NOT NULL CHECK (status IN ('complete', 'refused', 'replaced')),
    message        text,
    wall_s         real,
    ingested_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX ingest_file_complete ON production.ingest_file (release, product, name) WHERE status = 'complete';
COMMENT ON TABLE production.ingest_file IS 'Every survey file that was read: its checksum, rows and fate';

CREATE TABLE production.quarantine (
    file_id     bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number  integer NOT NULL,
    identifier  text,
    rule        text NOT NULL,
    reason      text NOT NULL,
    PRIMARY KEY (file_id, row_number, rule)
);
COMMENT ON TABLE production.quarantine IS 'Rows that were not taken over, with file, row (1 is the first data row) and reason';
"""

GAIA = """
CREATE TABLE survey.gaia_source (
    release                       text NOT NULL,
    source_id                     bigint NOT NULL CHECK (source_id > 0),
    solution_id                   bigint,
    ra                            double precision NOT NULL CHECK (ra >= 0 AND ra < 360),
    "dec"                         double precision NOT NULL CHECK ("dec" BETWEEN -90 AND 90),
    l                             double precision,
    b                             double precision,
    parallax                      double precision,
    parallax_error                real,
    parallax_over_error           real,
    pmra                          double precision,
    pmra_error                    real,
    pmdec                         double precision,
    pmdec_error                   real,
    ruwe                          real,
    phot_g_mean_flux_over_error   real,
    phot_g_mean_mag               real,
    phot_bp_mean_flux_over_error  real,
    phot_bp_mean_mag              real,
    phot_rp_mean_flux_over_error  real,
    phot_rp_mean_mag              real,
    bp_rp                         real,
    radial_velocity               real,
    radial_velocity_error         real,
    rv_nb_transits                smallint,
    vbroad                        real,
    grvs_mag                      real,
    rvs_spec_sig_to_noise         real,
    phot_variable_flag            text,
    in_qso_candidates             boolean,
    in_galaxy_candidates          boolean,
    non_single_star               smallint,
    has_xp_continuous             boolean,
    has_rvs                       boolean,
    file_id                       bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    PRIMARY KEY (release, source_id)
);
CREATE INDEX gaia_source_file ON survey.gaia_source (file_id);

CREATE TABLE survey.astrophysical_parameters (
    release                 text NOT NULL,
    source_id               bigint NOT NULL CHECK (source_id > 0),
    teff_gspphot            real,
    logg_gspphot            real,
    mh_gspphot              real,
    distance_gspphot        real,
    teff_gspspec            real,
    teff_gspspec_lower      real,
    teff_gspspec_upper      real,
    logg_gspspec            real,
    logg_gspspec_lower      real,
    logg_gspspec_upper      real,
    mh_gspspec              real,
    mh_gspspec_lower        real,
    mh_gspspec_upper        real,
    alphafe_gspspec         real,
    alphafe_gspspec_lower   real,
    alphafe_gspspec_upper   real,
    fem_gspspec             real,
    flags_gspspec           text CHECK (length(flags_gspspec) = 41),
    classlabel_espels       text,
    spectraltype_esphs      text,
    file_id                 bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    PRIMARY KEY (release, source_id)
);
CREATE INDEX astrophysical_parameters_file ON survey.astrophysical_parameters (file_id);

CREATE TABLE survey.xp_coefficients (
    release              text NOT NULL,
    source_id            bigint NOT NULL CHECK (source_id > 0),
    bp_coefficients      bytea CHECK (octet_length(bp_coefficients) % 8 = 0),
    rp_coefficients      bytea CHECK (octet_length(rp_coefficients) % 8 = 0),
    bp_n_relevant_bases  smallint,
    rp_n_relevant_bases  smallint,
    file_id              bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    PRIMARY KEY (release, source_id)
);
CREATE INDEX xp_coefficients_file ON survey.xp_coefficients (file_id);
COMMENT ON COLUMN survey.xp_coefficients.bp_coefficients IS 'Little-endian float64 array; null when the star has no BP spectrum';
COMMENT ON COLUMN survey.xp_coefficients.rp_coefficients IS 'Little-endian float64 array; null when the star has no RP spectrum';
"""

# Flux and error apart: prediction reads half the bytes.
SPECTRUM = """
CREATE TABLE survey.{table} (
    release    text NOT NULL,
    source_id  bigint NOT NULL CHECK (source_id > 0),
    {column}   bytea NOT NULL,
    {extra}
    file_id    bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    PRIMARY KEY (release, source_id)
) PARTITION BY LIST (release);
CREATE INDEX {table}_file ON survey.{table} (file_id);
COMMENT ON COLUMN survey.{table}.{column} IS 'Little-endian float32 array on the pixel grid of the release; NaN where there is no value';
"""

EXTERNAL = """
CREATE TABLE survey.apogee_star (
    file_id              bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number           integer NOT NULL,
    apogee_id            text NOT NULL,
    telescope            text,
    field                text,
    gaiaedr3_source_id   bigint CHECK (gaiaedr3_source_id > 0),
    ra                   double precision,
    "dec"                double precision,
    snr                  real,
    teff                 real,
    teff_err             real,
    logg                 real,
    logg_err             real,
    m_h                  real,
    m_h_err              real,
    alpha_m              real,
    alpha_m_err          real,
    fe_h                 real,
    fe_h_err             real,
    fe_h_flag            integer,
    aspcap_chi2          real,
    aspcapflag           bigint,
    starflag             bigint,
    extratarg            integer,
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX apogee_star_source ON survey.apogee_star (gaiaedr3_source_id);

CREATE TABLE survey.galah_star (
    file_id         bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number      integer NOT NULL,
    star_id         text,
    sobject_id      bigint NOT NULL,
    dr3_source_id   bigint CHECK (dr3_source_id > 0),
    flag_sp         bigint,
    flag_guess      bigint,
    teff            real,
    e_teff          real,
    logg            real,
    e_logg          real,
    fe_h            real,
    e_fe_h          real,
    flag_fe_h       bigint,
    alpha_fe        real,
    e_alpha_fe      real,
    flag_alpha_fe   bigint,
    snr_c2_iraf     real,
    snr_c3_iraf     real,
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX galah_star_source ON survey.galah_star (dr3_source_id);

CREATE TABLE survey.k2gap_star (
    file_id      bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number   integer NOT NULL,
    epic         bigint NOT NULL,
    apogee_id    text,
    gaia_source  bigint CHECK (gaia_source > 0),
    ra           double precision,
    "dec"        double precision,
    campaign     text,
    evolution    text,
    teff         real,
    teff_err     real,
    logg         real,
    numax        real,
    numax_err    real,
    dnu          real,
    dnu_err      real,
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX k2gap_star_source ON survey.k2gap_star (gaia_source);
COMMENT ON COLUMN survey.k2gap_star.numax IS 'Frequency of maximum oscillation power, microhertz';

CREATE TABLE survey.cluster_member (
    file_id      bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number   integer NOT NULL,
    cluster      text NOT NULL,
    gaia_release text NOT NULL CHECK (gaia_release IN ('dr2', 'dr3')),
    source_id    bigint NOT NULL CHECK (source_id > 0),
    proba        real,
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX cluster_member_source ON survey.cluster_member (source_id);
COMMENT ON COLUMN survey.cluster_member.gaia_release IS 'Release whose source_id it is: DR2 ids are not DR3 ids';

CREATE TABLE survey.starhorse_distance (
    file_id               bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number            integer NOT NULL,
    source_id             bigint NOT NULL CHECK (source_id > 0),
    dist16                real,
    dist50                real,
    dist84                real,
    av16                  real,
    av50                  real,
    av84                  real,
    starhorse_outputflag  text,
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX starhorse_distance_source ON survey.starhorse_distance (source_id);
COMMENT ON COLUMN survey.starhorse_distance.dist50 IS 'Median distance, kpc';

CREATE TABLE survey.mock_truth (
    file_id     bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number  integer NOT NULL,
    source_id   bigint NOT NULL CHECK (source_id > 0),
    kind        text NOT NULL,
    population  text NOT NULL,
    teff        real NOT NULL,
    logg        real NOT NULL,
    mh          real NOT NULL,
    alpham      real NOT NULL,
    feh         real NOT NULL,
    distance    real,
    r_gal       real,
    z_gal       real,
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX mock_truth_source ON survey.mock_truth (source_id);
COMMENT ON TABLE survey.mock_truth IS 'Injected labels of a synthetic sky; empty for real surveys';
"""


def partition_statements(table: str, column: str) -> list[str]:
    """Twelve leaves for DR3 and twelve for every other release."""
    statements = []
    for name, values in (("dr3", "FOR VALUES IN ('dr3')"), ("other", "DEFAULT")):
        parent = f"survey.{table}_{name}"
        statements.append(f"CREATE TABLE {parent} PARTITION OF survey.{table} {values} PARTITION BY RANGE (source_id)")
        for i in range(BASE_PIXELS):
            lower = i * IDS_PER_BASE_PIXEL
            upper = (i + 1) * IDS_PER_BASE_PIXEL
            leaf = f"{parent}_{i:02d}"
            statements.append(f"CREATE TABLE {leaf} PARTITION OF {parent} FOR VALUES FROM ({lower}) TO ({upper})")
            # Float arrays do not compress; statistics on them cost hours and tell nothing.
            statements.append(f"ALTER TABLE {leaf} ALTER COLUMN {column} SET STORAGE EXTERNAL")
            statements.append(f"ALTER TABLE {leaf} ALTER COLUMN {column} SET STATISTICS 0")
            rule = (
                f"octet_length({column}) = 9604"
                if name == "dr3"
                else f"octet_length({column}) > 0 AND octet_length({column}) % 4 = 0"
            )
            statements.append(f"ALTER TABLE {leaf} ADD CONSTRAINT {table}_{name}_{i:02d}_length CHECK ({rule})")
    return statements


def upgrade() -> None:
    op.execute(LEDGER)
    op.execute(GAIA)
    counters = "combined_transits smallint, combined_ccds smallint, deblended_ccds smallint,"
    for table, column, extra in (("rvs_spectrum", "flux", counters), ("rvs_spectrum_error", "flux_error", "")):
        op.execute(SPECTRUM.format(table=table, column=column, extra=extra))
        for statement in partition_statements(table, column):
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
    op.execute(EXTERNAL)


def downgrade() -> None:
    op.execute("DROP SCHEMA survey CASCADE")
    op.execute("DROP SCHEMA production CASCADE")
