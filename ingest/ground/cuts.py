"""Crop cuts: plots that were harvested and weighed by hand."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from ingest.ground.fates import Intake, settle
from ingest.ground.headers import Headers
from ingest.ground.moisture import SAFE_STORAGE, grain_yield_t_ha
from ingest.ground.places import Places
from ingest.ground.values import (
    RowFault,
    Years,
    crop_from,
    each,
    headers_of,
    locate,
    needed,
    number,
    point_of,
    text,
)
from ingest.ground.vector import Feature, Layer
from store.ground import CropCut

__all__ = ["PLAUSIBLE_T_HA", "cut_key", "take_cuts"]

# Below what is worth a cut and above what was ever harvested in China, so that only
# slips of the pen or of the unit are caught; they are no agronomic limits.
LEAST_T_HA = 0.1
PLAUSIBLE_T_HA: dict[str, float] = {
    "maize": 26.0,
    "rice": 20.0,
    "soybean": 8.0,
    "other": 60.0,
}
PLAUSIBLE_PLOT_M2 = (0.5, 20_000.0)
PLAUSIBLE_MOISTURE = (5.0, 60.0)

BY_DATE = (
    "the year is that of the column {column}: a cut is made at harvest"
    " · 年份取自 {column} 列：测产在收获时进行"
)


def take_cuts(
    layer: Layer,
    places: Places,
    *,
    year: int | None = None,
    crop: str | None = None,
    basis: float = SAFE_STORAGE,
    units: Mapping[str, str] | None = None,
    known: Iterable[CropCut] = (),
    simulated: bool = False,
) -> Intake[CropCut]:
    """Make crop cuts of a layer of points.

    Parameters
    ----------
    layer : Layer
        Points with the plot's area, the mass of grain or of fresh ears (then with the
        shelling share, grain in % of ear mass) and the grain's moisture (% wet basis),
        each with its unit in the header, e.g. ``plot_area_m2``, ``籽粒重(公斤)``.
    year, crop : optional
        Of rows that do not say.
    basis : float
        Moisture of the yields, % wet basis; see `ingest.ground.moisture`.
    units : mapping, optional
        Meaning -> unit for headers that do not say.
    known : iterable of CropCut
        Cuts stored before.

    Returns
    -------
    Intake of CropCut
        Impossible or implausible plots are listed with their value.

    Raises
    ------
    ColumnMissing, ColumnUnclear, UnitUnknown, YearUnknown
    """
    headers = headers_of(layer, units)
    reader = _Reader(headers, year=year, crop=crop, basis=basis)
    points, misplaced = each(layer.features, point_of)
    counties, beyond = locate(points, places)
    inside = [feature for feature in layer.features if feature.row in counties]
    good, faults = each(
        inside, lambda f: reader(f, counties[f.row], simulated=simulated)
    )
    settled = settle(good, key=cut_key, content=_content, known=known)
    return Intake(
        rows=layer.rows,
        stored=tuple(settled.stored),
        duplicates=tuple(settled.duplicates),
        problems=(
            *(*layer.faults, *misplaced, *beyond),
            *(*faults, *settled.problems),
        ),
        remarks=layer.remarks,
        notes=(*layer.notes, headers.understood, *reader.notes),
    )


def cut_key(cut: CropCut) -> tuple[str, int]:
    """Return what must be unique among stored cuts: id and season."""
    return cut.cut_id, cut.year


def _content(cut: CropCut) -> Hashable:
    weighed = (cut.plot_m2, cut.grain_kg, cut.moisture, cut.basis)
    return (cut.lon, cut.lat, cut.crop, *weighed)


class _Reader:
    def __init__(
        self, headers: Headers, *, year: int | None, crop: str | None, basis: float
    ) -> None:
        self._years = Years.of(headers, year, at_harvest=True)
        self._crop, self._fixed_crop = headers.find("crop"), crop
        if crop is None:
            self._crop = headers.need("crop", option="--crop")
        self._id = headers.find("cut") or headers.find("id")
        self._plot, self._moisture = headers.need("plot"), headers.need("moisture")
        self._grain, self._fresh = headers.find("grain"), headers.find("fresh")
        self._shelling = headers.find("shelling")
        if self._grain is None:
            self._fresh = headers.need("grain", "fresh")
        self._basis = basis

    @property
    def notes(self) -> list[str]:
        """What was taken for granted."""
        date = self._years.date
        return [] if date is None else [BY_DATE.format(column=date.column)]

    def __call__(
        self, feature: Feature, county: str | None, *, simulated: bool
    ) -> CropCut:
        values = feature.values
        lon, lat = point_of(feature)
        crop = crop_from(values, self._crop, self._fixed_crop)
        plot = _within(
            needed(values, self._plot, "plot area"), PLAUSIBLE_PLOT_M2, "plot", "m2"
        )
        moisture = _within(
            needed(values, self._moisture, "moisture"),
            PLAUSIBLE_MOISTURE,
            "moisture",
            "%",
        )
        grain = self._grain_kg(values)
        tonnes = grain_yield_t_ha(
            grain_kg=grain, area_m2=plot, moisture=moisture, basis=self._basis
        )
        return CropCut(
            row=feature.row,
            cut_id=text(values, self._id) or f"{lon:.7f},{lat:.7f}",
            lon=lon,
            lat=lat,
            year=self._years(values),
            crop=crop,
            plot_m2=plot,
            grain_kg=grain,
            moisture=moisture,
            basis=self._basis,
            yield_t_ha=_within(
                tonnes, (LEAST_T_HA, PLAUSIBLE_T_HA[crop]), "yield", "t/ha"
            ),
            county=county,
            simulated=simulated,
        )

    def _grain_kg(self, values: Mapping[str, Any]) -> float:
        grain = number(values, self._grain, "grain")
        if grain is not None:
            return grain
        fresh = needed(values, self._fresh, "grain mass")
        share = number(values, self._shelling, "shelling")
        # 0.85 in a column of percent is 85 % meant as a share of 1.
        if share is None or not 1 < share <= 100:
            raise RowFault(
                "shelling",
                "fresh ears without a shelling share of 1 to 100 %: how much is grain?",
                "鲜穗重缺少出籽率（1–100%），无法得出籽粒重",
            )
        return fresh * share / 100


def _within(value: float, limits: tuple[float, float], what: str, unit: str) -> float:
    low, high = limits
    if not low <= value <= high:
        raise RowFault(
            what,
            f"{what} of {value:.4g} {unit} is not between {low:g} and {high:g}",
            f"{what} 为 {value:.4g} {unit}，不在 {low:g} 至 {high:g} 之间",
        )
    return value
