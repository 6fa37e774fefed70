"""Crossmatch tables: the published RVS-CNN catalogue, the DR2 neighbourhood, and what was matched through them.

Revision: 0004_crossmatch, 2026-11-22.
"""

from alembic import op

revision = "0004_crossmatch"
down_revision = "0003_catalogue"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE survey.rvs_cnn_star (
    file_id        bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number     integer NOT NULL,
    source_id      bigint NOT NULL CHECK (source_id > 0),
    teff           real,
    eteff          real,
    sigma_teff     real,
    logg           real,
    elogg          real,
    sigma_logg     real,
    mh             real,
    emh            real,
    sigma_mh       real,
    feh            real,
    efeh           real,
    sigma_feh      real,
    alpham         real,
    ealpham        real,
    sigma_alpham   real,
    flag_boundary  char(8) NOT NULL CHECK (flag_boundary ~ '^[01]{8}$'),
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX rvs_cnn_star_source ON survey.rvs_cnn_star (source_id);
COMMENT ON TABLE survey.rvs_cnn_star IS 'The published catalogue (Table 2 of Guiglion et al. 2024), to compare with';

CREATE TABLE survey.dr2_neighbour (
    file_id                    bigint NOT NULL REFERENCES production.ingest_file ON DELETE CASCADE,
    row_number                 integer NOT NULL,
    dr2_source_id              bigint NOT NULL CHECK (dr2_source_id > 0),
    dr3_source_id              bigint NOT NULL CHECK (dr3_source_id > 0),
    angular_distance           real,
    magnitude_difference       real,
    proper_motion_propagation  boolean,
    PRIMARY KEY (file_id, row_number)
);
CREATE INDEX dr2_neighbour_dr2 ON survey.dr2_neighbour (dr2_source_id);
CREATE INDEX dr2_neighbour_dr3 ON survey.dr2_neighbour (dr3_source_id);
COMMENT ON TABLE survey.dr2_neighbour IS 'Gaia DR2 sources near DR3 sources: ids are not the same in both releases';
COMMENT ON COLUMN survey.dr2_neighbour.angular_distance IS 'Between the two sources, milliarcseconds';

-- Members whose list has ids of another release than the catalogue's.
CREATE TABLE production.cluster_match (
    file_id           bigint NOT NULL,
    row_number        integer NOT NULL,
    release           text NOT NULL,
    gaia_release      text NOT NULL,
    source_id         bigint NOT NULL CHECK (source_id > 0),
    angular_distance  real,
    n_neighbours      integer NOT NULL CHECK (n_neighbours > 0),
    n_claims          integer NOT NULL CHECK (n_claims > 0),
    PRIMARY KEY (file_id, row_number),
    FOREIGN KEY (file_id, row_number) REFERENCES survey.cluster_member ON DELETE CASCADE
);
CREATE INDEX cluster_match_source ON production.cluster_match (source_id);
COMMENT ON TABLE production.cluster_match IS 'Cluster members listed under a Gaia DR2 id, with their DR3 id';
COMMENT ON COLUMN production.cluster_match.gaia_release IS 'Release whose source_id was found';
COMMENT ON COLUMN production.cluster_match.n_neighbours IS 'DR3 sources near the DR2 source; the nearest was taken';
COMMENT ON COLUMN production.cluster_match.n_claims IS 'DR2 ids among the members that were given this DR3 source';

CREATE TABLE production.k2gap_match (
    file_id              bigint NOT NULL,
    row_number           integer NOT NULL,
    release              text NOT NULL,
    source_id            bigint NOT NULL CHECK (source_id > 0),
    method               text NOT NULL CHECK (method IN ('catalogue', 'position')),
    separation           real,
    n_candidates         integer,
    nearest_source_id    bigint,
    PRIMARY KEY (file_id, row_number),
    FOREIGN KEY (file_id, row_number) REFERENCES survey.k2gap_star ON DELETE CASCADE,
    CHECK (method = 'catalogue' OR source_id = nearest_source_id)
);
CREATE INDEX k2gap_match_source ON production.k2gap_match (source_id);
COMMENT ON TABLE production.k2gap_match IS 'Gaia source of each K2 star: the id that its catalogue gives, else the nearest by position';
COMMENT ON COLUMN production.k2gap_match.separation IS
    'Arcseconds to the nearest source, both at the catalogue''s epoch; null without one, or without a position';
COMMENT ON COLUMN production.k2gap_match.n_candidates IS 'Sources within the radius; null without a position';
COMMENT ON COLUMN production.k2gap_match.nearest_source_id IS
    'Nearest source by position; where it is not source_id, the catalogue''s id and its position disagree';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    for table in ("production.k2gap_match", "production.cluster_match", "survey.dr2_neighbour", "survey.rvs_cnn_star"):
        op.execute(f"DROP TABLE {table}")
