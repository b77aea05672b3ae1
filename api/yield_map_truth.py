"""Crop cuts and cleaned combine data as the ground of a yield map."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from api.errors import ApiError
from api.lineage import table_checksum
from api.reasons import Warned
from models.pixel_yield import Calibration, CalibrationStatus, WithinError, calibrate
from models.pixel_yield.calibration import MIN_FIELDS

if TYPE_CHECKING:
    from store import Store
    from store.ground import CropCut

__all__ = ["Judged", "SamplesInvalid", "Truth", "truth_of_files", "truth_of_store"]

# What a cleaned combine's points have and crop cuts have not.
_CLEANED = {"lon", "lat", "yield_t_ha", "flag"}
# QARTOD: good.
_GOOD = 1
# Grain moisture of estimates and maps, % wet basis.
_MOISTURE = 14.0


class SamplesInvalid(ApiError):
    """A file holds neither crop cuts nor cleaned points, or none that serve."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Measured yields of one crop and year.

    Attributes
    ----------
    table
        ``field``, ``lon``, ``lat`` (degrees, WGS 84), ``measured`` (t/ha),
        ``simulated``.
    """

    table: pd.DataFrame

    @property
    def inputs(self) -> dict[str, str]:
        """What goes into the run."""
        return {"samples": table_checksum(self.table)}

    @property
    def simulated(self) -> bool:
        """Whether any of them is."""
        return bool(self.table["simulated"].any())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the samples said of a map.

    Attributes
    ----------
    calibration
        Of the map scaled to the counties.
    rows, outside
        Samples on a pixel with a yield, and those that are not.
    error
        Root mean square difference of the fields from the final map, t/ha.
    bias
        Mean of measured minus mapped, t/ha.
    within
        Error of the map within a county; None where too few fields tell it.
    beyond
        Share of the map's pixels outside the yields that the line was fitted to.
    """

    calibration: Calibration
    table: pd.DataFrame
    pixels: tuple[NDArray[np.intp], NDArray[np.intp]]
    outside: int
    beyond: float
    error: float
    bias: float
    within: WithinError | None

    def after(self, yields: NDArray[np.float32]) -> "Judged":
        """Judge the map that the calibration led to, at the same samples."""
        table = self.table.assign(modelled=yields[self.pixels].astype(np.float64))
        error, bias = _differences(table)
        # Scaled anew, the map is no longer the line: the larger error is the safe one.
        field = max(error, self.calibration.error)
        within = self.within and replace(self.within, field=field)
        return replace(self, table=table, error=error, bias=bias, within=within)

    @property
    def warnings(self) -> tuple[Warned, ...]:
        """What a reader has to know."""
        said = [_calibrated(self)]
        if self.outside:
            said.append(
                Warned(
                    f"{self.outside} samples lie on no pixel with a yield: not used",
                    f"{self.outside} 个样本所在像元没有单产，未采用",
                )
            )
        if self.beyond > 0 and self.calibration.status is CalibrationStatus.CALIBRATED:
            said.append(
                Warned(
                    f"{self.beyond:.0%} of the pixels lie outside the yields sampled: "
                    "there the line extrapolates",
                    f"{self.beyond:.0%} 的像元超出样本单产范围，属外推",
                )
            )
        return tuple(said)


def truth_of_files(paths: Sequence[Path], *, crop: str, year: int) -> Truth:
    """Read crop cuts as `heitu ingest cuts` does, or points of `heitu yield-monitor`.

    Raises
    ------
    SamplesInvalid
        A file is neither, or none of the rows is of the crop and the year.
    ingest.ground.errors.GroundError
        A file cannot be taken.
    """
    tables = [_of_file(path, crop=crop, year=year) for path in paths]
    return _truth(tables, what=", ".join(str(path) for path in paths))


def truth_of_store(store: "Store", *, crop: str, year: int) -> Truth:
    """Take the stored crop cuts of a crop and year.

    Raises
    ------
    SamplesInvalid
        There are none.
    """
    from store import ground

    with store.connection() as conn:
        found = ground.find(conn, ground.CUTS, year=year)
    rows = [cut for cut in found if cut.crop == crop]
    return _truth([_cuts(rows)], what=f"store, {crop} {year}")


def judged(truth: Truth, yields: NDArray[np.float32], geobox: GeoBox) -> Judged:
    """Compare a map in t/ha with the samples, and fit the line between them."""
    rows, columns, inside = _pixels_of(truth.table, geobox)
    modelled = np.full(len(inside), np.nan)
    modelled[inside] = yields[rows[inside], columns[inside]]
    known = np.isfinite(modelled)
    table = truth.table.assign(modelled=modelled)[known]
    calibration = calibrate(table)
    error, bias = _differences(table)
    beyond = calibration.beyond(yields[np.isfinite(yields)])
    return Judged(
        calibration=calibration,
        table=table,
        pixels=(rows[known], columns[known]),
        outside=int((~known).sum()),
        beyond=float(beyond.mean()) if beyond.size else 0.0,
        error=error,
        bias=bias,
        within=_within(table, calibration),
    )


def _of_file(path: Path, *, crop: str, year: int) -> pd.DataFrame:
    if _is_cleaned(path):
        return _cleaned(path, crop=crop, year=year)
    return _cuts_of_file(path, crop=crop, year=year)


def _is_cleaned(path: Path) -> bool:
    if path.suffix.casefold() != ".csv" or not path.is_file():
        return False
    # Cuts may be in a Chinese encoding; the points are ours, and in UTF-8.
    head = path.read_bytes().partition(b"\n")[0].decode("utf-8-sig", "replace")
    return set(head.strip().split(",")) >= _CLEANED


def _cuts_of_file(path: Path, *, crop: str, year: int) -> pd.DataFrame:
    from ingest.boundaries import jilin_counties
    from ingest.ground.cuts import take_cuts
    from ingest.ground.places import Places
    from ingest.ground.vector import read_layer

    places = Places(jilin_counties(), anywhere=True)
    taken = take_cuts(read_layer(path), places, year=year, crop=crop).records
    return _cuts([cut for cut in taken if (cut.crop, cut.year) == (crop, year)])


def _cuts(cuts: "Sequence[CropCut]") -> pd.DataFrame:
    """Give each cut as a field of its own, at 14 % moisture."""
    return pd.DataFrame(
        {
            "field": [cut.cut_id for cut in cuts],
            "lon": [cut.lon for cut in cuts],
            "lat": [cut.lat for cut in cuts],
            "measured": [_at_14(cut.yield_t_ha, cut.basis) for cut in cuts],
            "simulated": [cut.simulated for cut in cuts],
        }
    )


def _cleaned(path: Path, *, crop: str, year: int) -> pd.DataFrame:
    """Read the good points of `heitu yield-monitor clean`; a folder is a field."""
    points = pd.read_csv(path, encoding="utf-8-sig")
    points = points[points["flag"] == _GOOD]
    for column, wanted in (("crop", crop), ("year", year)):
        if column in points:
            points = points[points[column].isna() | (points[column] == wanted)]
    own = path.resolve().parent.name
    basis = _basis(path.with_name("summary.json"))
    return pd.DataFrame(
        {
            "field": points.get("field", own),
            "lon": points["lon"],
            "lat": points["lat"],
            "measured": _at_14(points["yield_t_ha"], basis),
            "simulated": points.get("simulated", False),
        }
    )


def _basis(summary: Path) -> float:
    if not summary.is_file():
        return _MOISTURE
    said = json.loads(summary.read_text(encoding="utf-8"))
    return float(said["moisture_basis"])


def _at_14(tonnes: Any, basis: float) -> Any:  # noqa: ANN401
    return tonnes * (100 - basis) / (100 - _MOISTURE)


def _truth(tables: Sequence[pd.DataFrame], *, what: str) -> Truth:
    whole = pd.concat(tables, ignore_index=True).dropna()
    if whole.empty:
        raise SamplesInvalid(
            f"{what}: no crop cut or good point of this crop and year; give cuts as "
            "`heitu ingest cuts` takes them, or points.csv of `heitu yield-monitor "
            f"clean` · {what} 中没有该作物该年份的测产样本，请检查文件"
        )
    return Truth(whole.astype({"field": str, "simulated": bool}))


def _pixels_of(
    table: pd.DataFrame, geobox: GeoBox
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Row and column of each sample's pixel, and which samples lie on the grid."""
    project = pyproj.Transformer.from_crs("EPSG:4326", str(geobox.crs), always_xy=True)
    x, y = project.transform(table["lon"].to_numpy(), table["lat"].to_numpy())
    columns, rows = ~geobox.affine * (np.asarray(x), np.asarray(y))
    height, width = geobox.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    row = np.where(inside, np.floor(rows), 0).astype(np.intp)
    return row, np.where(inside, np.floor(columns), 0).astype(np.intp), inside


def _differences(table: pd.DataFrame) -> tuple[float, float]:
    """Root mean square and mean of measured less mapped, field by field."""
    fields = table.groupby("field")[["modelled", "measured"]].median()
    off = (fields["measured"] - fields["modelled"]).to_numpy(float)
    if not len(off):
        return float("nan"), float("nan")
    return float(np.sqrt(np.mean(off**2))), float(off.mean())


def _within(table: pd.DataFrame, calibration: Calibration) -> WithinError | None:
    """Error of fields, and of pixels around their field where several tell it."""
    if calibration.fields < MIN_FIELDS:
        return None
    off = table["measured"] - table["modelled"]
    fields = off.groupby(table["field"])
    free = len(off) - fields.ngroups
    around = float(((off - fields.transform("mean")) ** 2).sum())
    pixel = float(np.sqrt(around / free)) if free > 0 else 0.0
    return WithinError(field=calibration.error, pixel=pixel)


def _calibrated(said: Judged) -> Warned:
    line = said.calibration
    known, zh = f"{line.fields} fields", f"{line.fields} 个地块"
    match line.status:
        case CalibrationStatus.CALIBRATED:
            return Warned(
                f"calibrated by {known}: {line.intercept:.2f} + {line.slope:.2f} x "
                f"map, error {said.error:.2f} t/ha, measured less map {said.bias:+.2f}",
                f"已用{zh}校准：{line.intercept:.2f} + {line.slope:.2f}×图值，误差 "
                f"{said.error:.2f} 吨/公顷，实测减图值 {said.bias:+.2f}",
            )
        case CalibrationStatus.TOO_FEW_FIELDS:
            return Warned(
                f"not calibrated: {known} with different yields, {MIN_FIELDS} needed",
                f"未校准：仅有{zh}，至少需要 {MIN_FIELDS} 个",
            )
        case CalibrationStatus.NO_RELATION:
            return Warned(
                f"not calibrated: measured yields of {known} do not rise with the map",
                f"未校准：{zh}的实测单产与图值无正相关",
            )
    return Warned(
        f"not calibrated: a line gains nothing over the map in {known}, error "
        f"{said.error:.2f} t/ha",
        f"未校准：{zh}表明校准无改进，误差 {said.error:.2f} 吨/公顷",
    )
