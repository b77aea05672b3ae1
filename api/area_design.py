"""Designing a sample: points within the classes of a map, or segments of a frame."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from api.area_forms import Place, write_points, write_segments
from api.area_map import NON_CROP, ClassMap, EqualArea, class_name
from ingest.boundaries import jilin_counties
from ingest.ground.crops import CROPS
from ingest.ground.places import Places
from models.area import DesignImpossible, allocate, points_needed, segments_needed
from models.area.layout import (
    Drawing,
    cell_counts,
    crop_strata,
    draw_segments,
    spaced,
)
from models.area.sample_size import Allocation
from raster.files import replace_file

__all__ = ["DESIGN", "FRAME", "Designed", "design_points", "design_segments"]

DESIGN, FRAME = "design.json", "frame.csv"
# Of a segment that is mostly off the map nobody knows the crops.
_LEAST_MAPPED = 0.5
# So that each stratum can have its regression.
_LEAST_SEGMENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Designed:
    """A design as it was written.

    ``strata`` has a row a stratum: name, land in ha, units in the frame, samples.
    """

    kind: str
    folder: Path
    files: tuple[Path, ...]
    strata: tuple[dict[str, Any], ...]
    samples: int
    notes: tuple[str, ...] = ()


def design_points(
    of: ClassMap,
    folder: Path,
    *,
    year: int,
    seed: int,
    points: int | None = None,
    se: float | None = None,
    expected: float = 0.9,
    allocation: Allocation = "olofsson",
    minimum: int | None = None,
    distance_m: float = 0.0,
) -> Designed:
    """Draw points within the classes of a map, and write them for phones.

    Parameters
    ----------
    folder
        Made if it is not there; files of an earlier design in it are replaced.
    points
        How many; or as many as `se`, the wanted standard error of the overall
        accuracy, takes where `expected` is the accuracy of each class.
    allocation, minimum
        As in `models.area.allocate`.
    distance_m
        Least distance between two points; the sample is then not quite random.

    Raises
    ------
    models.area.DesignImpossible, api.area_errors.MapInvalid
    """
    with of.equal_area() as grid:
        counts = grid.counts()
        codes = _classes(counts)
        # Pixels of one size, so that their counts weigh as areas do.
        weights = np.array([counts[code] for code in codes], dtype=np.float64)
        total = points or points_needed(
            weights, np.full(len(codes), expected), se=se or 0
        )
        wanted = allocate(
            total,
            weights,
            method=allocation,
            # Nobody knows before the survey which class the map gets wrong.
            deviations=np.full(len(codes), 1.0),
            minimum=minimum,
            populations=weights.astype(np.int64),
        )
        asked = dict(zip(codes, wanted.tolist(), strict=True))
        drawn = _drawn(grid, counts, asked, seed=seed, distance_m=distance_m)
        hectares = grid.pixel_ha
    strata = tuple(
        {
            "stratum": of.called(code),
            "code": code,
            "area_ha": counts[code] * hectares,
            "population": counts[code],
            "samples": asked[code],
        }
        for code in codes
    )
    rows = _numbered(drawn, seed)
    choices = {class_name(of.called(code)) for code in codes} - {*CROPS, NON_CROP}
    places = [Place(name, shapely.Point(lonlat)) for name, _, lonlat in rows]
    files = write_points(folder, places, year=year, choices=sorted(choices))
    said = {"distance_m": distance_m, "points": _points_json(of, rows)}
    design = _write_design(folder, "points", of, year, seed, strata, said)
    return Designed(
        kind="points",
        folder=folder,
        files=(*files, design),
        strata=strata,
        samples=len(rows),
    )


def _points_json(
    of: ClassMap, rows: Sequence[tuple[str, int, NDArray[np.float64]]]
) -> list[dict[str, Any]]:
    """Say of which stratum each point was drawn, and where it is."""
    return [
        {
            "id": name,
            "stratum": of.called(code),
            "lon": float(lonlat[0]),
            "lat": float(lonlat[1]),
        }
        for name, code, lonlat in rows
    ]


def design_segments(
    of: ClassMap,
    folder: Path,
    *,
    year: int,
    seed: int,
    segments: int | None = None,
    cv: float | None = None,
    crop: str | None = None,
    side_m: float = 1000.0,
    edges: tuple[float, ...] = (0.15, 0.5),
    allocation: Allocation = "neyman",
    minimum: int = _LEAST_SEGMENTS,
) -> Designed:
    """Lay an area frame over a map, draw segments of it, and write them for phones.

    Squares of `side_m` whose half or more is mapped make up the frame, stratified by
    the share of them that is crop.

    Parameters
    ----------
    segments
        How many; or as many as `cv`, the wanted coefficient of variation of the area
        of `crop` by direct expansion, takes.
    crop
        The one to be exact about; all crops together if left out.
    edges
        Shares of crop between the strata.
    allocation
        "neyman" by the spread of the crop on the map.

    Raises
    ------
    models.area.DesignImpossible, api.area_errors.MapInvalid
    """
    frame = _frame(of, side_m)
    spread = _stratified(frame, crop, edges)
    strata = _segment_strata(
        frame,
        spread,
        total=segments,
        cv=cv,
        allocation=allocation,
        minimum=minimum,
    )
    asked = {int(one["stratum"]): one["samples"] for one in strata}
    chosen = draw_segments(frame["stratum"].to_numpy(np.int64), asked, seed=seed)
    # All segments are kept: estimates need the map over those that nobody visits.
    frame["sampled"] = 0
    frame.loc[chosen, "sampled"] = 1
    framed, land = float(frame["area_ha"].sum()), frame.attrs["map_ha"]
    said = {
        "side_m": side_m,
        "edges": list(edges),
        "segments": len(frame),
        "frame_ha": framed,
        "map_ha": land,
    }
    return Designed(
        kind="segments",
        folder=folder,
        files=(
            *_write_frame(folder, frame, chosen, year=year),
            _write_design(folder, "segments", of, year, seed, strata, said),
        ),
        strata=strata,
        samples=len(chosen),
        notes=(
            f"the frame is {framed:,.0f} ha, the map {land:,.0f} ha: estimates are of "
            f"the frame · 抽样框 {framed:,.0f} 公顷，地图 {land:,.0f} 公顷，"
            "估计针对抽样框",
        ),
    )


def _segment_strata(
    frame: pd.DataFrame,
    spread: "pd.Series[float]",
    *,
    total: int | None,
    cv: float | None,
    allocation: Allocation,
    minimum: int,
) -> tuple[dict[str, Any], ...]:
    """Share segments out to the strata, so many or as many as a CV takes."""
    groups = spread.groupby(frame["stratum"])
    sizes = groups.size().to_numpy().astype(np.int64)
    weights = sizes.astype(np.float64)
    # A stratum that the map takes for uniform is not quite that.
    least = 0.01 * float(frame["area_ha"].iloc[0])
    deviations = np.maximum(groups.std(ddof=0).to_numpy(np.float64), least)
    if total is None:
        means = groups.mean().to_numpy().astype(np.float64)
        needed = segments_needed(weights, means, deviations, cv=cv or 0)
        # The least of each stratum comes on top of a lax CV.
        total = max(needed, int(np.minimum(minimum, sizes).sum()))
    wanted = allocate(
        total,
        weights,
        method=allocation,
        deviations=deviations,
        minimum=minimum,
        populations=sizes,
    )
    land = frame.groupby("stratum")["area_ha"].sum()
    return tuple(
        {
            "stratum": str(name),
            "area_ha": float(land[name]),
            "population": int(size),
            "samples": number,
        }
        for name, size, number in zip(
            groups.size().index, sizes, wanted.tolist(), strict=True
        )
    )


def _write_frame(
    folder: Path, frame: pd.DataFrame, chosen: NDArray[np.int64], *, year: int
) -> tuple[Path, ...]:
    """Write the drawn segments for phones, and all of the frame for the office."""
    places = [
        Place(row["segment_id"], row["outline"], row["stratum"])
        for row in frame.loc[chosen].to_dict("records")
    ]
    files = write_segments(folder, places, year=year)
    table = frame.drop(columns="outline").to_csv(index=False, lineterminator="\r\n")
    replace_file(folder / FRAME, f"\ufeff{table}".encode())
    return (*files, folder / FRAME)


def _classes(counts: Mapping[int, int]) -> list[int]:
    if not counts:
        raise DesignImpossible(
            "the map has no pixel with a class · 地图上没有任何分类像元"
        )
    return sorted(counts)


def _drawn(
    grid: EqualArea,
    counts: Mapping[int, int],
    wanted: Mapping[int, int],
    *,
    seed: int,
    distance_m: float,
) -> list[tuple[int, NDArray[np.float64]]]:
    """Code and place of each point, by class."""
    drawing = Drawing.of(counts, wanted, seed=seed, spare=distance_m > 0)
    parts: dict[int, list[NDArray[np.float64]]] = {code: [] for code in wanted}
    for start, codes in grid.blocks():
        for code, (order, rows, columns) in drawing.find(codes).items():
            parts[code].append(
                np.column_stack([order, rows + start + 0.5, columns + 0.5])
            )
    drawn = []
    taken = np.zeros((0, 2))
    for code, number in wanted.items():
        if not number:
            continue
        found = np.concatenate(parts[code])
        metres = grid.metres(found[:, 1], found[:, 2])
        kept = spaced(
            metres,
            found[:, 0].astype(np.int64),
            wanted=number,
            least_m=distance_m,
            taken=taken,
        )
        # Distance is kept across classes too: two classes meet at every field's edge.
        taken = np.concatenate([taken, metres[kept]])
        lonlat = grid.lonlat(found[kept, 1], found[kept, 2])
        drawn += [(code, place) for place in lonlat]
    return drawn


def _numbered(
    drawn: Sequence[tuple[int, NDArray[np.float64]]], seed: int
) -> list[tuple[str, int, NDArray[np.float64]]]:
    """Give each point an id, in an order that does not tell its class."""
    # A stream of its own: ids must not tell in which order the places were drawn.
    order = np.random.default_rng([seed, 1]).permutation(len(drawn))
    width = max(3, len(str(len(drawn))))
    return [
        (f"P{number:0{width}d}", *drawn[place])
        for number, place in enumerate(order.tolist(), start=1)
    ]


def _stratified(
    frame: pd.DataFrame, crop: str | None, edges: tuple[float, ...]
) -> "pd.Series[float]":
    """Fill in the strata of a frame; return what is to be exact about, ha a segment."""
    crops = _crops(frame)
    if crop is not None and crop not in crops:
        raise DesignImpossible(
            f"the map has no {crop}; its crops are {', '.join(crops)} (name classes "
            f"with --classes) · 地图上没有 {crop}，已有 {'、'.join(crops)}"
        )
    every = frame[[f"{name}_map_ha" for name in crops]].sum(axis=1)
    share = (every / frame["area_ha"]).to_numpy(np.float64)
    frame["stratum"] = crop_strata(share, edges).astype(str)
    return every if crop is None else frame[f"{crop}_map_ha"]


def _frame(of: ClassMap, side_m: float) -> pd.DataFrame:
    """Lay squares over a map; `attrs` has the land of the map, ha."""
    with of.equal_area(side=side_m) as grid:
        codes = np.array(_classes(grid.counts()))
        cells = np.concatenate(
            [
                cell_counts(block, side=grid.across, codes=codes)
                for _, block in grid.blocks()
            ]
        )
        mapped = cells.sum(axis=-1)
        rows, columns = np.nonzero(mapped >= _LEAST_MAPPED * grid.across**2)
        if not len(rows):
            raise DesignImpossible(
                f"no square of {side_m:g} m lies on the map: give a shorter --side"
                f" · 地图上容不下边长 {side_m:g} 米的样方，请减小 --side"
            )
        # A segment is of the county of its centre, so that none counts twice.
        centres = grid.lonlat((rows + 0.5) * grid.across, (columns + 0.5) * grid.across)
        outlines = _outlines(grid, rows, columns)
        whole = grid.pixel_ha * grid.across**2
        hectares = cells[rows, columns] * grid.pixel_ha
        land = float(mapped.sum()) * grid.pixel_ha
    table: dict[str, Any] = {
        "segment_id": [
            f"S{row:04d}-{col:04d}" for row, col in zip(rows, columns, strict=True)
        ],
        "stratum": "",
        "county": [code or "" for code in _counties(centres)],
        "lon": centres[:, 0],
        "lat": centres[:, 1],
        "area_ha": whole,
    }
    # Of a square partly off the map, the rest is taken to be like what is seen.
    share = mapped[rows, columns] / grid.across**2
    for place, code in enumerate(codes):
        name = f"{class_name(of.called(int(code)))}_map_ha"
        table[name] = table.get(name, 0) + np.round(hectares[:, place] / share, 6)
    # The mark goes where the frame goes: the areas are made up as the map is.
    frame = pd.DataFrame(table).assign(simulated=of.simulated, outline=outlines)
    frame.attrs["map_ha"] = land
    return frame


def _outlines(
    grid: EqualArea, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.object_]:
    corners = [
        grid.lonlat((rows + down) * grid.across, (columns + right) * grid.across)
        for down, right in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
    ]
    outlines: NDArray[np.object_] = shapely.polygons(np.stack(corners, axis=1))
    return outlines


def _counties(centres: NDArray[np.float64]) -> list[str | None]:
    places = Places(jilin_counties(), anywhere=True)
    return places.of_points(centres[:, 0].tolist(), centres[:, 1].tolist())


def _crops(frame: pd.DataFrame) -> list[str]:
    named = [name for name in (*CROPS, "crop") if f"{name}_map_ha" in frame]
    if not named:
        raise DesignImpossible(
            "no class of the map is called by a crop: name them, e.g. --classes "
            "0=non-crop,1=maize · 地图类别中没有作物名称，请用 --classes 注明"
        )
    return named


def _write_design(
    folder: Path,
    kind: str,
    of: ClassMap,
    year: int,
    seed: int,
    strata: Sequence[Mapping[str, Any]],
    more: Mapping[str, Any],
) -> Path:
    path = folder / DESIGN
    said = {
        "kind": kind,
        "map": of.name,
        # Years later this tells which map a sample was drawn on.
        "checksum": of.checksum,
        "simulated": of.simulated,
        "year": year,
        "seed": seed,
        "strata": list(strata),
        **more,
    }
    text = json.dumps(said, ensure_ascii=False, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())
    return path
