"""Likeness at scale: limits of each run, frozen reference maps, distances without t-SNE, the flag as views.

Revision: 0008_likeness, 2026-11-22.
"""

from alembic import op

revision = "0008_likeness"
down_revision = "0007_calibrated"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE production.boundary_limit (
    run_id      bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    quantity    text NOT NULL CHECK (quantity IN ('teff', 'logg', 'mh', 'alpham', 'feh', 'g', 'parallax')),
    lower       double precision NOT NULL,
    upper       double precision NOT NULL,
    rule        text NOT NULL CHECK (rule IN ('quantile', 'paper')),
    quantile    double precision CHECK (quantile >= 0 AND quantile < 0.5),
    n_training  integer NOT NULL CHECK (n_training >= 0),
    PRIMARY KEY (run_id, quantity),
    CHECK (lower <= upper),
    CHECK ((rule = 'quantile') = (quantile IS NOT NULL))
);
COMMENT ON TABLE production.boundary_limit IS 'Effective range of the training sample that digits 1 to 7 of a run''s flags compare with';
COMMENT ON COLUMN production.boundary_limit.run_id IS 'Run whose flags they make';
COMMENT ON COLUMN production.boundary_limit.quantity IS 'Label, g (G magnitude) or parallax';
COMMENT ON COLUMN production.boundary_limit.lower IS 'Smallest value inside: K, dex, mag or mas';
COMMENT ON COLUMN production.boundary_limit.upper IS 'Largest value inside';
COMMENT ON COLUMN production.boundary_limit.rule IS 'How they were made: quantiles of the training stars, or the values that the paper prints';
COMMENT ON COLUMN production.boundary_limit.quantile IS 'Fraction of training stars left out at each end; null for printed values';
COMMENT ON COLUMN production.boundary_limit.n_training IS 'Training stars that they were made from; 0 for printed values';

-- The limits that an ensemble holds are those of the last run that used it: the best that is known of earlier ones.
INSERT INTO production.boundary_limit (run_id, quantity, lower, upper, rule, quantile, n_training)
SELECT label.run_id, entry.key, CAST(entry.value ->> 0 AS double precision), CAST(entry.value ->> 1 AS double precision),
       ensemble.limits ->> 'rule', CAST(ensemble.limits ->> 'quantile' AS double precision),
       CAST(ensemble.limits ->> 'n_training' AS integer)
FROM (SELECT DISTINCT run_id, ensemble_id FROM production.label) AS label
JOIN production.ensemble AS ensemble ON ensemble.ensemble_id = label.ensemble_id
CROSS JOIN LATERAL jsonb_each(ensemble.limits) AS entry
WHERE ensemble.limits ? 'rule'
  AND jsonb_typeof(entry.value) = 'array';
ALTER TABLE production.ensemble DROP COLUMN limits;

CREATE TABLE production.likeness_reference (
    key         char(64) PRIMARY KEY,
    run_id      bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    release     text NOT NULL,
    path        text NOT NULL,
    n_stars     integer NOT NULL,
    n_training  integer NOT NULL,
    settings    jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE production.likeness_reference IS 'Frozen maps that later spectra are placed in';
COMMENT ON COLUMN production.likeness_reference.key IS 'SHA-256 of the checksums of its files';
COMMENT ON COLUMN production.likeness_reference.run_id IS 'Run whose stars made the maps';
COMMENT ON COLUMN production.likeness_reference.release IS 'Key of its survey rows';
COMMENT ON COLUMN production.likeness_reference.path IS 'Folder of the files';
COMMENT ON COLUMN production.likeness_reference.n_stars IS 'Stars in the maps';
COMMENT ON COLUMN production.likeness_reference.n_training IS 'Training stars among them';
COMMENT ON COLUMN production.likeness_reference.settings IS 'All that made the maps';

ALTER TABLE production.likeness_map
    ADD COLUMN mode text NOT NULL DEFAULT 'joint' CHECK (mode IN ('joint', 'placed')),
    ADD COLUMN placed_threshold real,
    ADD COLUMN reference char(64);
COMMENT ON COLUMN production.likeness_map.mode IS 'joint: fitted to all stars of the run; placed: new stars were placed in the frozen maps of a reference';
COMMENT ON COLUMN production.likeness_map.placed_threshold IS 'Largest distance of a placed star that is like';
COMMENT ON COLUMN production.likeness_map.reference IS 'Key of the frozen maps: those that were saved (joint), or those that were used (placed)';

ALTER TABLE production.likeness ADD COLUMN placed_distance real;
COMMENT ON COLUMN production.likeness.placed_distance IS
    'The same from where the star is placed by its neighbours among the other stars, as a new star would be; null where that was not done';

CREATE TABLE production.companion (
    run_id        bigint PRIMARY KEY REFERENCES production.run ON DELETE CASCADE,
    n_components  smallint NOT NULL CHECK (n_components > 0),
    quantile      real NOT NULL,
    threshold     real NOT NULL,
    n_training    integer NOT NULL
);
COMMENT ON TABLE production.companion IS 'Likeness to the training sample without t-SNE: distances between spectra as principal components';
COMMENT ON COLUMN production.companion.n_components IS 'Leading components that the distances are made of';
COMMENT ON COLUMN production.companion.quantile IS 'Of the training stars'' own distances';
COMMENT ON COLUMN production.companion.threshold IS 'That quantile: a star that is farther lies outside; units of normalised flux';
COMMENT ON COLUMN production.companion.n_training IS 'Training stars that are compared with';

CREATE TABLE production.training_distance (
    run_id    bigint NOT NULL REFERENCES production.run ON DELETE CASCADE,
    source_id bigint NOT NULL,
    nearest   bigint NOT NULL,
    distance  real NOT NULL CHECK (distance >= 0),
    quantile  real NOT NULL CHECK (quantile BETWEEN 0 AND 1),
    outside   boolean NOT NULL,
    PRIMARY KEY (run_id, source_id)
);
COMMENT ON TABLE production.training_distance IS 'The most similar training star of each star of a run, by the rule in production.companion';
COMMENT ON COLUMN production.training_distance.nearest IS 'source_id of the most similar (other) training star';
COMMENT ON COLUMN production.training_distance.distance IS 'Distance to it, in units of normalised flux';
COMMENT ON COLUMN production.training_distance.quantile IS 'Fraction of training stars whose own distance is smaller';
COMMENT ON COLUMN production.training_distance.outside IS 'The distance exceeds the threshold in production.companion';
"""

VIEWS = """
CREATE VIEW survey.true_star AS
SELECT DISTINCT ON (file.release, truth.source_id) file.release, truth.source_id, truth.kind, truth.population
FROM survey.mock_truth AS truth
JOIN production.ingest_file AS file ON file.file_id = truth.file_id AND file.status = 'complete'
ORDER BY file.release, truth.source_id, truth.file_id, truth.row_number;
COMMENT ON VIEW survey.true_star IS 'Kind of each star of a synthetic sky, once; empty for real surveys';

CREATE VIEW production.boundary_digit AS
SELECT label.run_id, label.release, label.source_id, quantity.digit, limits.quantity, quantity.value,
       limits.lower, limits.upper,
       NOT COALESCE(quantity.value BETWEEN limits.lower AND limits.upper, false) AS outside
FROM production.label AS label
LEFT JOIN survey.gaia_source AS gaia ON gaia.release = label.release AND gaia.source_id = label.source_id
CROSS JOIN LATERAL (VALUES
    (1, 'teff', CAST(label.teff AS double precision)),
    (2, 'logg', label.logg),
    (3, 'mh', label.mh),
    (4, 'alpham', label.alpham),
    (5, 'feh', label.feh),
    (6, 'g', gaia.phot_g_mean_mag),
    (7, 'parallax', gaia.parallax)
) AS quantity (digit, name, value)
JOIN production.boundary_limit AS limits ON limits.run_id = label.run_id AND limits.quantity = quantity.name;
COMMENT ON VIEW production.boundary_digit IS 'Digits 1 to 7 of the flag, each with value and limits; a missing value counts as outside';

CREATE VIEW production.likeness_star AS
SELECT star.run_id, star.source_id, count(*) AS n_maps,
       count(*) FILTER (WHERE NOT star."like") AS n_unlike,
       -- A star that was placed is held to what placed training stars reach.
       max(star.distance / NULLIF(CASE WHEN map.mode = 'placed' AND star.placed_distance IS NOT NULL
                                       THEN map.placed_threshold ELSE map.threshold END, 0)) AS ratio,
       count(*) = (SELECT count(*) FROM production.likeness_map AS every WHERE every.run_id = star.run_id)
           AND bool_and(star."like") AS "like"
FROM production.likeness AS star
JOIN production.likeness_map AS map ON map.run_id = star.run_id AND map.perplexity = star.perplexity
GROUP BY star.run_id, star.source_id;
COMMENT ON VIEW production.likeness_star IS
    'All t-SNE maps of a run together: a star is like when it stands in every map and is like in each; ratio: largest distance in units of the map''s threshold';

CREATE VIEW production.boundary_computed AS
SELECT digit.run_id, digit.release, digit.source_id,
       string_agg(CASE WHEN digit.outside THEN '1' ELSE '0' END, '' ORDER BY digit.digit) AS flag_boundary,
       CAST(sum(CASE WHEN digit.outside THEN 1 << (digit.digit - 1) ELSE 0 END) AS smallint) AS flag_bits
FROM (
    SELECT run_id, release, source_id, digit, outside FROM production.boundary_digit
    UNION ALL
    -- Training stars are the reference: like by definition. A star that stands in no map is not.
    SELECT label.run_id, label.release, label.source_id, 8,
           NOT (sample.role = 'training' OR COALESCE(star."like", false))
    FROM production.label AS label
    JOIN production.sample_star AS sample ON sample.run_id = label.run_id AND sample.source_id = label.source_id
    LEFT JOIN production.likeness_star AS star ON star.run_id = label.run_id AND star.source_id = label.source_id
) AS digit
GROUP BY digit.run_id, digit.release, digit.source_id
HAVING count(*) = 8;
COMMENT ON VIEW production.boundary_computed IS
    'The flag of every labelled star, computed anew from limits and map distances (paper Sect. 5.2): what production.boundary holds must be equal';
"""

# Quantities, units and decimals as in catalog.metadata.LABELS.
WORDS = """
CREATE FUNCTION production.digit_words(
    digit integer, outside boolean, value double precision, lower double precision, upper double precision, role text
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $words$
    SELECT CASE
        WHEN digit = 8 AND role = 'training' THEN 'a training star: its spectrum is like the training sample''s by definition'
        WHEN digit = 8 AND value IS NULL AND NOT outside THEN 'the RVS spectrum is like those of the training sample'
        WHEN digit = 8 AND value IS NULL THEN 'the spectrum does not stand in every t-SNE map, which counts as unlike'
        WHEN digit = 8 AND outside THEN
            'the RVS spectrum is unlike those of the training sample: in a t-SNE map the nearest training star is '
            || to_char(value, 'FM999990.0') || ' times as far as is allowed'
        WHEN digit = 8 THEN
            'the RVS spectrum is like those of the training sample: in every t-SNE map the nearest training star is at most '
            || to_char(value, 'FM0.00') || ' times as far as is allowed'
        WHEN value IS NULL OR value = 'NaN' THEN symbol || ' is not known, which counts as outside'
        WHEN lower IS NULL OR upper IS NULL THEN
            symbol || ' ' || to_char(value, picture) || unit || CASE WHEN outside THEN ' lies outside' ELSE ' lies within' END
            || ' the training sample''s limits, which are not recorded'
        WHEN NOT outside THEN
            symbol || ' ' || to_char(value, picture) || unit || ' lies within the training sample''s '
            || to_char(lower, picture) || ' to ' || to_char(upper, picture) || unit
        ELSE
            symbol || ' ' || to_char(value, picture) || unit || ' lies ' || CASE WHEN value > upper THEN 'above' ELSE 'below' END
            || ' the training sample''s ' || to_char(lower, picture) || ' to ' || to_char(upper, picture) || unit
            || CASE WHEN value > upper THEN higher ELSE smaller END
    END
    FROM (VALUES
        (1, 'Teff', ' K', 'FM999990', ': hotter than the stars that the network knows', ': cooler than the stars that the network knows'),
        (2, 'log g', ' dex', 'FM990.00', ': denser than the stars that the network knows', ': more extended than the stars that the network knows'),
        (3, '[M/H]', ' dex', 'FM990.00', ': more metals than the network has seen', ': fewer metals than the network has seen'),
        (4, '[α/M]', ' dex', 'FM990.000', ': more alpha elements than the network has seen', ': fewer alpha elements than the network has seen'),
        (5, '[Fe/H]', ' dex', 'FM990.00', ': more iron than the network has seen', ': less iron than the network has seen'),
        (6, 'G', ' mag', 'FM990.00', ': fainter than the training stars', ': brighter than the training stars'),
        (7, 'parallax', ' mas', 'FM99990.000', ': nearer than the training stars', ': more distant than the training stars'),
        (8, 't-SNE', '', '', '', '')
    ) AS quantity (number, symbol, unit, picture, higher, smaller)
    WHERE number = digit
$words$;
COMMENT ON FUNCTION production.digit_words(integer, boolean, double precision, double precision, double precision, text) IS
    'What a digit of the flag means for a star, in words; for digit 8 value is the largest map distance in units of its threshold';
"""


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (TABLES, VIEWS, WORDS):
        bind.exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    bind = op.get_bind()
    # Published views speak in its words.
    bind.exec_driver_sql(
        "DROP FUNCTION production.digit_words(integer, boolean, double precision, double precision, double precision, text) CASCADE"
    )
    for view in ("boundary_computed", "likeness_star", "boundary_digit"):
        bind.exec_driver_sql(f"DROP VIEW production.{view}")
    bind.exec_driver_sql("DROP VIEW survey.true_star")
    bind.exec_driver_sql("ALTER TABLE production.ensemble ADD COLUMN limits jsonb")
    bind.exec_driver_sql(
        """
        UPDATE production.ensemble AS ensemble SET limits = stored.limits
        FROM (
            SELECT DISTINCT ON (label.ensemble_id) label.ensemble_id, entry.limits
            FROM (SELECT DISTINCT run_id, ensemble_id FROM production.label) AS label
            JOIN (
                SELECT run_id, jsonb_object_agg(quantity, jsonb_build_array(lower, upper))
                       || jsonb_build_object('rule', min(rule), 'quantile', min(quantile), 'n_training', min(n_training)) AS limits
                FROM production.boundary_limit
                GROUP BY run_id
            ) AS entry ON entry.run_id = label.run_id
            ORDER BY label.ensemble_id, label.run_id DESC
        ) AS stored
        WHERE stored.ensemble_id = ensemble.ensemble_id
        """
    )
    for table in ("training_distance", "companion", "likeness_reference", "boundary_limit"):
        bind.exec_driver_sql(f"DROP TABLE production.{table}")
    bind.exec_driver_sql("ALTER TABLE production.likeness DROP COLUMN placed_distance")
    bind.exec_driver_sql(
        "ALTER TABLE production.likeness_map DROP COLUMN mode, DROP COLUMN placed_threshold, DROP COLUMN reference"
    )
