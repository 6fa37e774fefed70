-- Purpose: Published stars in each HEALPix pixel of the sky (nested, ICRS), from the pixel that a Gaia source_id holds.
-- Parameters: shift (int) bits of source_id below the pixel: 59 - 2 * order.
-- Returns: pixel; n stars; n_training of the training sample; n_recommended with no digit of flag_boundary set.
SELECT source_id >> :shift AS pixel, count(*) AS n,
       count(*) FILTER (WHERE role = 'training') AS n_training,
       count(*) FILTER (WHERE flag_boundary = '00000000') AS n_recommended
FROM catalogue.rvs_cnn_extended
GROUP BY pixel;
