"""Reading what came back from the field, and what it was drawn from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from api.area_design import DESIGN
from api.area_errors import DesignInvalid, FrameFileInvalid
from api.area_map import ClassMap, class_name
from ingest.boundaries import jilin_counties
from ingest.ground.crops import CROPS
from ingest.ground.places import Places
from ingest.ground.segments import take_segments
from ingest.ground.values import RowFault, headers_of, point_of, text
from ingest.ground.vector import Layer, read_layer
from models.area import Assessment, assess
from models.reasons import Reason

__all__ = [
    "Surveyed",
    "assessed",
    "frame_simulated",
    "read_frame",
    "read_segments",
]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A table of samples, what was left out, and whether it says it is simulated."""

    table: pd.DataFrame
    notes: tuple[Reason, ...]
    simulated: bool = False


def assessed(
    of: ClassMap,
    samples: Path,
    *,
    design: Path | None,
    options: Mapping[str, Any],
    interval: float,
) -> tuple[Assessment, tuple[Reason, ...]]:
    """Assess a map by a file of points with labels.

    Parameters
    ----------
    design
        The design that the points were drawn by: its strata count, also where the map
        has been made anew since. Without it the map's own classes are the strata.
    options
        Of `ingest.ground.vector.read_layer`.

    Returns
    -------
    (Assessment, reasons)
        What was left out while reading comes second.

    Raises
    ------
    api.area_errors.DesignInvalid
    ingest.ground.errors.GroundError
        The file cannot be read.
    models.ModelError
        There is nothing to estimate from.
    """
    layer = read_layer(samples, **options)
    found = _labels(layer)
    table, notes = _once(found.table)
    # By the map as it is now: a sample serves every later map of the place.
    mapped = of.at(table[["lon", "lat"]].to_numpy(np.float64))
    with of.equal_area() as grid:
        counts, hectares = grid.counts(), grid.pixel_ha
    names = {code: class_name(of.called(code)) for code in counts}
    # Two codes of one name are one class.
    areas: dict[str, float] = {}
    for code, pixels in counts.items():
        areas[names[code]] = areas.get(names[code], 0.0) + pixels * hectares
    # None stays None: off the map is no class.
    called = [code and class_name(code) for code in mapped]
    table = table.assign(mapped=np.array(called, dtype=object))
    table["reference"], unlike = _answers(table["label"], areas)
    if design is None:
        strata = pd.DataFrame({"stratum": list(areas), "area_ha": list(areas.values())})
        table = table.assign(stratum=table["mapped"])
    else:
        strata, of_point = _design(design)
        table = table.assign(stratum=table["id"].map(of_point))
    done = assess(table, strata, mapped_ha=areas, interval=interval)
    return done, (*found.notes, *notes, *unlike)


def read_frame(path: Path) -> pd.DataFrame:
    """Read the frame that `heitu area design` wrote.

    Raises
    ------
    FrameFileInvalid
        It is no table, or lacks a column.
    """
    try:
        frame = pd.read_csv(
            path,
            encoding="utf-8-sig",
            # Codes are no numbers: a leading 0 would be lost.
            dtype={"segment_id": str, "stratum": str, "county": str},
        )
    except (OSError, ValueError) as exc:
        raise FrameFileInvalid(
            f"{path} cannot be read as a table ({exc}); give the frame.csv of a design"
            f" · 无法读取 {path}，请给出设计时生成的 frame.csv"
        ) from exc
    lacking = {"segment_id", "stratum", "area_ha"} - {*frame.columns}
    if lacking or frame["segment_id"].duplicated().any() or frame.empty:
        problem = (
            f"no column {', '.join(sorted(lacking))}"
            if lacking
            else ("a segment twice, or none")
        )
        raise FrameFileInvalid(
            f"{path} has {problem}: give the frame.csv of a design"
            f" · {path.name} 不是抽样框，请给出设计时生成的 frame.csv"
        )
    return frame


def frame_simulated(frame: pd.DataFrame, path: Path) -> bool:
    """Tell whether a frame was laid over a simulated map.

    The frame says so itself; of older frames, the design beside them does.
    """
    if "simulated" in frame:
        return any(_is_true(said) for said in frame["simulated"].unique())
    try:
        said = json.loads(path.with_name(DESIGN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Frames are moved, and written by hand; nothing then says what they are.
        return False
    return isinstance(said, dict) and _is_true(said.get("simulated"))


def read_segments(
    path: Path,
    frame: pd.DataFrame,
    *,
    parcels: Path | None,
    year: int | None,
    units: Mapping[str, str],
    options: Mapping[str, Any],
) -> Surveyed:
    """Read surveyed segments, each with what its frame says of it.

    Raises
    ------
    ingest.ground.errors.GroundError
        A file cannot be read.
    FrameFileInvalid
        No segment of it is one of the frame.
    """
    inner = None if parcels is None else read_layer(parcels, **options)
    layer = read_layer(path, **options)
    taken = take_segments(
        layer,
        Places(jilin_counties(), anywhere=True),
        parcels=inner,
        year=year,
        units=units,
    ).segments
    found = pd.DataFrame(
        [
            {"segment_id": one.segment_id, "year": one.year}
            | {f"{crop}_ha": getattr(one, f"{crop}_ha") for crop in CROPS}
            for one in taken.records
        ],
        columns=["segment_id", "year", *(f"{crop}_ha" for crop in CROPS)],
    )
    notes = [
        Reason(f"row {one.row}: {one.english}", f"第 {one.row} 行：{one.chinese}")
        for one in taken.problems
    ]
    inside = _inside(found, frame, path)
    if lost := int((~inside).sum()):
        notes.append(
            Reason(
                f"{lost} segments are not of the frame and are left out",
                f"{lost} 个样方不在抽样框中，未计入",
            )
        )
    # Strata as they were drawn, whatever a phone or an editor made of the answers.
    joined = _with_unanswered(found.loc[inside].merge(frame, on="segment_id"), frame)
    made_up = any(_is_true(one.values.get("simulated")) for one in layer.features)
    return Surveyed(joined, tuple(notes), made_up)


def _with_unanswered(answers: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Add a row without figures for each segment that was drawn and gave no answer.

    Those that never come back are seldom like the others; nobody would miss them.
    """
    if "sampled" not in frame:
        return answers
    drawn = frame["sampled"].map(_is_true)
    absent = frame.loc[drawn & ~frame["segment_id"].isin(answers["segment_id"])]
    if absent.empty:
        return answers
    return pd.concat(
        [answers, absent.assign(year=answers["year"].iloc[0])], ignore_index=True
    )


def _inside(found: pd.DataFrame, frame: pd.DataFrame, path: Path) -> "pd.Series[bool]":
    """Tell which segments are of the frame; they are of one year."""
    if len(years := sorted(found["year"].unique())) > 1:
        raise FrameFileInvalid(
            f"{path} has segments of the years {', '.join(map(str, years))}: give "
            f"one with --year · {path.name} 含多个年份，请用 --year 指定"
        )
    inside = found["segment_id"].isin(frame["segment_id"])
    if not inside.any():
        raise FrameFileInvalid(
            f"none of the {len(found)} segments of {path} is in the frame: compare "
            f"their ids · {path.name} 的样方均不在抽样框中，请核对编号"
        )
    return inside


def _is_true(said: object) -> bool:
    """Read a mark as phones, spreadsheets and JSON write it."""
    return said is not None and str(said).strip().lower() in ("true", "1", "yes", "是")


def _labels(layer: Layer) -> Surveyed:
    headers = headers_of(layer)
    label, name = headers.need("label", "crop"), headers.find("id")
    rows, lost = [], len(layer.faults)
    for feature in layer.features:
        try:
            lon, lat = point_of(feature)
            said = text(feature.values, label)
            row = {"id": text(feature.values, name), "lon": lon, "lat": lat}
            rows.append({**row, "label": said})
        except RowFault:
            lost += 1
    notes = (
        Reason(
            f"{lost} of {layer.rows} rows are no points that can be read",
            f"{layer.rows} 行中有 {lost} 行不是可读的点",
        ),
    )
    table = pd.DataFrame(rows, columns=["id", "lon", "lat", "label"], dtype=object)
    return Surveyed(table, notes if lost else ())


def _once(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Reason, ...]]:
    """Count each place once; nobody knows which of contradicting labels is right."""
    labels = table["label"].map(lambda said: class_name(said) if said else None)
    key = [table["lon"], table["lat"]]
    # Names compared, not spellings: 玉米 and maize agree.
    contradicting = labels.groupby(key).transform("nunique") > 1
    kept = table.loc[~contradicting & ~table.duplicated(["lon", "lat"])]
    notes = []
    if lost := int(contradicting.sum()):
        notes.append(
            Reason(
                f"{lost} samples contradict another of the same place; none is taken",
                f"{lost} 个样本与同一位置的其他样本矛盾，均未采用",
            )
        )
    if repeated := len(table) - len(kept) - lost:
        notes.append(
            Reason(
                f"{repeated} samples repeat another of the same place",
                f"{repeated} 个样本与同一位置的其他样本重复",
            )
        )
    return kept, tuple(notes)


def _answers(
    labels: "pd.Series[str]", classes: Mapping[str, float]
) -> tuple[list[str | None], tuple[Reason, ...]]:
    """Names of what the labels say, as the map calls it."""
    answers = [_answer(said, classes) for said in labels]
    strange = sorted({one for one in answers if one and one not in classes})
    if not strange:
        return answers, ()
    named = ", ".join(strange)
    note = Reason(f"not on the map: {named}", f"地图上没有的类别：{named}")
    return answers, (note,)


def _answer(said: str | None, classes: Mapping[str, float]) -> str | None:
    if not said or not said.strip():
        return None
    if said.strip() in classes:
        return said.strip()
    name = class_name(said)
    # A map of crop and non-crop is right wherever any crop grows.
    if name in CROPS and name not in classes and "crop" in classes:
        return "crop"
    # Some crop, nobody knows which: no answer for a map that tells crops apart.
    unclear = name == "crop" and "crop" not in classes
    return None if unclear else name


def _design(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        strata = pd.DataFrame(
            {
                "stratum": [class_name(one["stratum"]) for one in said["strata"]],
                "area_ha": [float(one["area_ha"]) for one in said["strata"]],
            }
        )
        points = {str(one["id"]): class_name(one["stratum"]) for one in said["points"]}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DesignInvalid(
            f"{path} is no design of points ({exc!r}): give the design.json that "
            f"`heitu area design` wrote · {path.name} 不是样点设计文件"
        ) from exc
    return strata.groupby("stratum", as_index=False).sum(), points
