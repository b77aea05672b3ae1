"""Crop areas of a frame and of its counties, from the segments that were surveyed."""

import pandas as pd

from ingest.ground.crops import CROPS
from models.area import (
    AreaEstimate,
    benchmarked,
    county_areas,
    crop_area,
    small_county_areas,
)
from models.area.segments import Method

__all__ = ["estimate_crops"]


def estimate_crops(
    sample: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    method: Method = "auto",
    interval: float = 0.95,
) -> list[AreaEstimate]:
    """Estimate each crop of the sample, over the frame and by county.

    Parameters
    ----------
    sample
        A row a surveyed segment, with the frame's columns beside its own
        `{crop}_ha`.
    frame
        A row a segment: `segment_id`, `stratum`, `area_ha`, perhaps `county` and
        `{crop}_map_ha`.

    Returns
    -------
    list of AreaEstimate
        Crop by crop, the whole frame first; counties follow where the frame has two
        or more, which a map makes add up to the frame where all of its land is in
        them. A crop without a figure in any segment is left out.

    Raises
    ------
    models.ModelError
    """
    found: list[AreaEstimate] = []
    for crop in CROPS:
        if f"{crop}_ha" not in sample or not sample[f"{crop}_ha"].notna().any():
            continue
        strata = _counted(frame, "stratum", crop)
        whole = crop_area(sample, strata, crop=crop, method=method, interval=interval)
        counties = _by_county(sample, frame, strata, crop=crop, interval=interval)
        # Land of no county is part of the frame and not of their sum; and estimates
        # without a model, which lean on nothing, are left as they were measured.
        mapped = f"{crop}_map_ha" in frame
        if counties and mapped and frame["county"].notna().all():
            counties = benchmarked(counties, whole)
        found += [whole, *counties]
    return found


def _by_county(
    sample: pd.DataFrame,
    frame: pd.DataFrame,
    strata: pd.DataFrame,
    *,
    crop: str,
    interval: float,
) -> list[AreaEstimate]:
    if "county" not in frame or frame["county"].nunique() < 2:
        return []
    counties = _counted(frame.loc[frame["county"].notna()], "county", crop)
    small = f"{crop}_map_ha" in frame
    return (small_county_areas if small else county_areas)(
        sample, strata, counties, crop=crop, interval=interval
    )


def _counted(frame: pd.DataFrame, key: str, crop: str) -> pd.DataFrame:
    """Segments, land and the map's area of a crop, by stratum or county."""
    columns = ["area_ha"]
    columns += [f"{crop}_map_ha"] if f"{crop}_map_ha" in frame else []
    groups = frame.groupby(key)
    return groups[columns].sum().assign(segments=groups.size()).reset_index()
