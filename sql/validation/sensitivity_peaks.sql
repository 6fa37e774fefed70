-- Purpose: strongest peaks of the gradients along the spectrum, and the lines they fall on (paper Sect. 3.5.1)
-- Parameters: run_id (bigint) run
-- Returns: region of the Kiel diagram; label column of the catalogue; rank 1 for the strongest; wavelength of the peak,
--     nm in vacuum; gradient label units a unit of flux; line and line_wavelength of the nearest known line within the
--     tolerance, null when there is none
SELECT peak.region, peak.label, peak.rank, peak.wavelength, peak.gradient, peak.line, peak.line_wavelength
FROM production.sensitivity_peak peak
JOIN production.study study ON study.ensemble_id = peak.ensemble_id AND study.name = 'sensitivity'
WHERE peak.ensemble_id = (
    SELECT label.ensemble_id FROM production.label label WHERE label.run_id = :run_id LIMIT 1
)
ORDER BY peak.region, peak.label, peak.rank
