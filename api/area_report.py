"""What `heitu area` prints and writes, in Chinese and English."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import typer
from rich.table import Table

from api.area_design import Designed
from api.area_errors import AreaInputInvalid
from api.area_map import NON_CROP
from api.estimates import Issued
from api.tables import print_table
from ingest.county_names import COUNTY_NAMES
from models.area import AreaEstimate, Assessment, Share
from models.reasons import Reason
from raster.files import replace_file
from store.estimates import Estimate

__all__ = [
    "assessment_json",
    "design_json",
    "estimate_json",
    "estimates_json",
    "tell_assessment",
    "tell_crops",
    "tell_design",
    "tell_estimates",
    "tell_notes",
    "tell_stored",
    "write_result",
]

_ZH = {
    "maize": "玉米",
    "rice": "水稻",
    "soybean": "大豆",
    "other": "其他作物",
    "crop": "作物",
    NON_CROP: "非耕地",
}
_STATUS_ZH = {"estimated": "可用", "limited": "有限", "missing": "缺失"}

AREA_COLUMNS = (
    *("name", "domain", "value", "unit", "se", "cv", "lower", "upper", "interval"),
    *("df", "samples", "method", "efficiency", "status", "reason", "mapped_ha"),
    "simulated",
)


def tell_design(made: Designed) -> None:
    """Print the strata of a design and the files it is in."""
    table = Table(
        "stratum 层",
        "area 面积 ha",
        "units 单元数",
        "samples 样本数",
        title=f"design 设计: {made.samples} {made.kind}",
    )
    for row in made.strata:
        table.add_row(
            _shown(row["stratum"]),
            f"{row['area_ha']:,.0f}",
            f"{row['population']:,}",
            str(row["samples"]),
        )
    print_table(table)
    for note in made.notes:
        typer.echo(f"  {note}")
    for path in made.files:
        typer.echo(path)


def tell_assessment(
    found: Assessment, *, simulated: bool, notes: Iterable[Reason]
) -> None:
    """Print accuracies, then areas."""
    table = Table(
        "class 类别",
        "user's 用户精度",
        "producer's 制图精度",
        "samples 样本",
        title=_title("accuracy 精度", simulated),
    )
    for name in found.classes:
        table.add_row(
            _shown(name),
            _share(found.users[name]),
            _share(found.producers[name]),
            str(_seen(found, name)),
        )
    table.add_row("overall 总体", _share(found.overall), "", str(found.samples))
    print_table(table)
    tell_estimates(found.areas, mapped=found.mapped_ha, simulated=simulated)
    tell_notes((*notes, *found.notes))


def tell_estimates(
    estimates: Sequence[AreaEstimate],
    *,
    mapped: Mapping[str, float],
    simulated: bool,
    names: Mapping[str, str] | None = None,
) -> None:
    """Print areas with their intervals, and why one lacks something.

    Parameters
    ----------
    mapped
        Name (of the class, or of the domain where there is one) -> pixels counted, ha.
    names
        Name of each domain, to show.
    """
    level = f"{100 * estimates[0].interval:g} %" if estimates else ""
    table = Table(
        "class 类别",
        "area 面积 ha",
        "SE 标准误",
        f"{level} interval 区间",
        "CV %",
        "pixels 像元计数 ha",
        "method 方法",
        "status 状态",
        title=_title("area 面积", simulated),
    )
    for one in estimates:
        what = (names or {}).get(one.domain, one.domain) or _shown(one.name)
        counted = mapped.get(one.domain or one.name)
        table.add_row(
            what,
            _number(one.value),
            _number(one.se),
            f"{_number(one.lower)} – {_number(one.upper)}",
            "" if one.cv is None else f"{100 * one.cv:.1f}",
            _number(counted),
            one.method,
            f"{_STATUS_ZH[one.status]} {one.status}",
        )
    print_table(table)
    # Sixty counties with one reason need it once.
    said = {str(one.reason): one for one in estimates if one.reason is not None}
    for reason, one in said.items():
        typer.echo(f"  {one.domain or _shown(one.name)}: {reason}")


def tell_crops(
    done: Sequence[AreaEstimate], frame: pd.DataFrame, *, simulated: bool
) -> None:
    """Print the areas of the whole frame, then of its counties, crop by crop."""
    # The domain of the whole frame is the empty one.
    whole = [one for one in done if not one.domain]
    mapped = {one.name: _mapped(frame, one) or 0.0 for one in whole}
    tell_estimates(whole, mapped=mapped, simulated=simulated)
    names = {code: f"{code} {name[0]}" for code, name in COUNTY_NAMES.items()}
    for crop in dict.fromkeys(one.name for one in done if one.domain):
        typer.echo(f"{crop}: counties 各县")
        ours = [one for one in done if one.domain and one.name == crop]
        pixels = {one.domain: _mapped(frame, one) or 0.0 for one in ours}
        tell_estimates(ours, mapped=pixels, simulated=simulated, names=names)


def tell_stored(issued: Issued, rows: Sequence[Estimate], *, as_of: date) -> None:
    """Print how many areas were stored, why others were not, and what uses them."""
    sure = [row for row in rows if row.value is not None]
    typer.echo(
        f"{len(sure)} county areas stored, known from {as_of} on; run {issued.run_id}"
        f" · 已存入 {len(sure)} 个县级面积，自 {as_of} 起可用"
        + ("" if issued.new else " (there already · 已存在)")
    )
    for row in rows:
        if row.value is None:
            typer.echo(f"  {row.county} {row.crop}: {row.reason}", err=True)
    typer.echo(
        "productions use them from the next `heitu yields estimate` on"
        " · 下次运行 heitu yields estimate 时用于计算总产"
    )


def tell_notes(notes: Iterable[Reason]) -> None:
    """Print what was left out."""
    for note in dict.fromkeys(map(str, notes)):
        typer.echo(f"  {note}", err=True)


def assessment_json(
    found: Assessment,
    *,
    of: Mapping[str, Any],
    simulated: bool,
    years: Sequence[int],
    notes: Iterable[Reason],
) -> dict[str, Any]:
    """Return an assessment as plain JSON, which `heitu crop-map apply` reads too."""
    return {
        "kind": "assessment",
        "method": "stratified estimation (Olofsson et al. 2014; Stehman 2014)",
        # Points drawn for it, which trained nothing: that is what publishing asks for.
        "independent": True,
        "years": list(years),
        "map": dict(of),
        "simulated": simulated,
        "n": found.samples,
        "interval": found.areas[0].interval,
        "classes": list(found.classes),
        "confusion": found.counts.tolist(),
        "proportions": found.proportions.tolist(),
        "overall": _share_json(found.overall),
        "users": [_share_json(found.users[name]) for name in found.classes],
        "producers": [_share_json(found.producers[name]) for name in found.classes],
        "areas": [
            estimate_json(
                one, mapped_ha=found.mapped_ha.get(one.name), simulated=simulated
            )
            for one in found.areas
        ],
        "notes": [str(note) for note in (*notes, *found.notes)],
    }


def design_json(made: Designed, *, simulated: bool) -> dict[str, Any]:
    """Return what was drawn as plain JSON."""
    return {
        "kind": made.kind,
        "samples": made.samples,
        "strata": made.strata,
        "files": [str(path) for path in made.files],
        "simulated": simulated,
    }


def estimates_json(
    done: Sequence[AreaEstimate],
    frame: pd.DataFrame,
    *,
    sampled: int,
    simulated: bool,
    notes: Iterable[Reason],
) -> dict[str, Any]:
    """Return the areas of a frame as plain JSON."""
    return {
        "kind": "estimate",
        "simulated": simulated,
        "interval": done[0].interval if done else None,
        "segments": sampled,
        "frame_segments": len(frame),
        "areas": [
            estimate_json(one, mapped_ha=_mapped(frame, one), simulated=simulated)
            for one in done
        ],
        "notes": [str(note) for note in notes],
    }


def estimate_json(
    one: AreaEstimate, *, mapped_ha: float | None, simulated: bool
) -> dict[str, Any]:
    """Return an area as plain JSON; what cannot be told is null."""
    return {
        "name": one.name,
        "domain": one.domain,
        "value": one.value,
        "unit": "ha",
        "se": one.se,
        "cv": one.cv,
        "lower": one.lower,
        "upper": one.upper,
        "interval": one.interval,
        "df": one.df,
        "samples": one.samples,
        "method": one.method,
        "efficiency": one.efficiency,
        "status": str(one.status),
        "reason": None if one.reason is None else str(one.reason),
        "mapped_ha": mapped_ha,
        "simulated": simulated,
    }


def write_result(path: Path, said: Mapping[str, Any]) -> None:
    """Write a result as ``.json``, or its areas as ``.csv``.

    Raises
    ------
    api.area_errors.AreaInputInvalid
        Another ending, or no such folder.
    raster.DiskFull, raster.WriteFailed
    """
    # Another ending would promise a format that the file is not in.
    known = path.suffix.lower() in (".json", ".csv")
    if not known or not path.absolute().parent.is_dir():
        raise AreaInputInvalid(
            f"--out {path}: give a .json or .csv in a folder that is there"
            f" · --out {path}：请给出已有文件夹中的 .json 或 .csv 文件"
        )
    if path.suffix.lower() == ".json":
        text = json.dumps(said, ensure_ascii=False, indent=1)
        replace_file(path, text.encode())
        return
    table = io.StringIO(newline="")
    # Spreadsheets want CRLF, and the mark that says UTF-8.
    writer = csv.DictWriter(table, AREA_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(said["areas"])
    replace_file(path, table.getvalue().encode("utf-8-sig"))


def _mapped(frame: pd.DataFrame, one: AreaEstimate) -> float | None:
    """Count the map's hectares where an estimate is of; None without a map."""
    column = f"{one.name}_map_ha"
    if column not in frame:
        return None
    rows = frame if not one.domain else frame.loc[frame["county"] == one.domain]
    return float(rows[column].sum())


def _seen(found: Assessment, name: str) -> int:
    """Count the samples whose ground is of the class."""
    return int(found.counts[:, found.classes.index(name)].sum())


def _share_json(share: Share) -> dict[str, Any]:
    return {
        "value": share.value,
        "se": share.se,
        "lower": share.lower,
        "upper": share.upper,
        "df": share.df,
        "samples": share.samples,
        "status": str(share.status),
        "reason": None if share.reason is None else str(share.reason),
    }


def _share(share: Share) -> str:
    if share.value is None:
        return "-"
    value = f"{100 * share.value:.1f} %"
    if share.lower is None or share.upper is None:
        return value
    return f"{value} ({100 * share.lower:.1f} – {100 * share.upper:.1f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _shown(name: str) -> str:
    return f"{_ZH[name]} {name}" if name in _ZH else name


def _title(what: str, simulated: bool) -> str:
    return f"{what}（模拟 simulated）" if simulated else what
