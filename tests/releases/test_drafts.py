"""A release that is only announced: used knowingly or not at all, and what is not known of it is an error."""

import datetime

import pytest

from catalog.errors import ConfigurationError, NotFoundError
from catalog.mock.spectra import SpectrumModel
from catalog.releases import PixelGrid, load_release, loading, release_names


def test_a_draft_is_named_as_one() -> None:
    assert release_names() == ["dr3", "dr4-draft"]
    assert load_release("dr4-draft").name == "dr4-draft"
    with pytest.raises(ConfigurationError, match=r"not published yet.*give the release as dr4-draft"):
        load_release("dr4")
    with pytest.raises(NotFoundError, match="no draft any more"):
        load_release("dr3-draft")


def test_a_draft_tells_what_is_not_verified() -> None:
    warning = load_release("dr4-draft").warning
    for word in ("rvs_mean_spectrum", "xp", "cuts", "endpoints"):
        assert word in warning
    assert load_release("dr3").warning == ""


def test_what_esa_has_announced() -> None:
    release = load_release("dr4-draft")
    assert release.release_date == datetime.date(2026, 12, 2)
    epoch = release.grid("rvs_epoch_spectrum")
    assert epoch.axis == (846.0, 0.025, 961, "vacuum", "barycentric")
    assert epoch.wavelength[-1] == pytest.approx(870.0)
    names = {name: source.datalink for name, source in release.sources.items() if source.datalink is not None}
    assert {name: route.retrieval_type for name, route in names.items()} == {
        "rvs_mean_spectrum": "MEAN_SPECTRUM_RVS",
        "rvs_epoch_spectrum": "EPOCH_SPECTRUM_RVS",
        "xp_continuous_mean_spectrum": "MEAN_SPECTRUM_XP",
    }
    assert {route.data_structure for route in names.values()} == {"DATAMODEL_STANDARD"}
    assert release.expected.counts == {}


def test_an_unknown_grid_is_an_error_wherever_it_is_needed() -> None:
    release = load_release("dr4-draft")
    with pytest.raises(ConfigurationError, match=r"grid of rvs_mean_spectrum is not known for release dr4-draft.*dr4"):
        SpectrumModel(release.rvs)
    with pytest.raises(ConfigurationError, match=r"rvs_epoch_spectrum is not known for release dr3: it has no such"):
        load_release("dr3").grid("rvs_epoch_spectrum")
    with pytest.raises(NotFoundError, match="no product of spectra"):
        release.grid("gaia_source")


def test_a_published_draft_gives_up_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = load_release("dr4-draft")
    grid = PixelGrid(start=846.0, step=0.01, n_pixels=2401, medium="vacuum", frame="stellar rest")
    published = draft.model_copy(update={"name": "dr4", "status": "released", "rvs_mean_spectrum": grid})
    monkeypatch.setattr(loading, "_read", lambda key: published if key == "dr4" else load_release(key))
    load_release.cache_clear()
    try:
        assert load_release("dr4").rvs is grid
        assert load_release("dr4").warning == ""
        with pytest.raises(NotFoundError, match="Say dr4"):
            load_release("dr4-draft")
    finally:
        load_release.cache_clear()


@pytest.mark.parametrize("change", [{"start": 846.005}, {"step": 0.025}, {"n_pixels": 961}, {"frame": "barycentric"}])
def test_grids_differ_in_words_where_they_differ(change: dict[str, object]) -> None:
    grid = load_release("dr3").rvs
    other = grid.model_copy(update=change)
    assert other.axis != grid.axis
    assert str(other) != str(grid)
