-- Purpose: mean gradients of the labels with respect to the inputs of the run's ensemble (paper Sect. 3.5, Figs. 9, 10)
-- Parameters: run_id (bigint) run
-- Returns: region of the Kiel diagram; label column of the catalogue; input spectrum, scalars or xp; n_stars and
--     n_members averaged over; names of the elements of scalars and xp; gradient label units a unit of flux, or a full
--     training range of scalars and xp; scatter its standard deviation over members; influence root mean
--     square change of the label when each star has this input of the mean training star
SELECT found.region, found.label, found.input, found.n_stars, found.n_members, found.names, found.gradient,
       found.scatter, found.influence
FROM production.sensitivity found
JOIN production.study study ON study.ensemble_id = found.ensemble_id AND study.name = 'sensitivity'
WHERE found.ensemble_id = (
    SELECT label.ensemble_id FROM production.label label WHERE label.run_id = :run_id LIMIT 1
)
ORDER BY found.region, found.label, found.input
