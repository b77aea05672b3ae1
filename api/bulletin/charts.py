"""The charts of a bulletin, as SVG that stands by itself.

Text stays text, so that it can be selected and searched; the same drawings go into the
page and into the PDF.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from api.bulletin.content import Bulletin
from api.bulletin.words import GRADE_COLOURS, Language, word
from models.growth import GRADES, PlaceWeather
from raster.grid import project_onto
from raster.step import dekads

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "coloured",
    "curve_chart",
    "draw",
    "font_files",
    "map_chart",
    "weather_chart",
]

_NO_CROP: Final = "#edf0ee"
_NO_GRADE: Final = "#a9b3ae"
_INK: Final = "#33413a"
_NOW: Final = "#1a7837"
_BAND: Final = "#cfd8d3"
_FAMILY: Final = "Noto Sans SC"


def font_files() -> list[Path]:
    """Return the font files that Chinese text is set in (SIL Open Font License)."""
    import pylopdf_fonts_zh_cn

    folder = Path(pylopdf_fonts_zh_cn.__file__).parent
    return sorted(folder.glob("NotoSansSC*.otf"))


@contextmanager
def _figure(width: float, height: float) -> Iterator["Figure"]:
    """Make a figure in inches whose settings leave others alone."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    if _FAMILY not in fontManager.get_font_names():
        for path in font_files():
            fontManager.addfont(path)
    settings: Any = {
        "font.family": [_FAMILY, "sans-serif"],
        "font.size": 8.5,
        "axes.edgecolor": "#9aa8a0",
        "axes.labelcolor": _INK,
        "text.color": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": False,
        "svg.fonttype": "none",
        # Names within the drawing follow from this: the same chart, the same bytes.
        "svg.hashsalt": "heitu",
    }
    with mpl.rc_context(settings):
        yield Figure(figsize=(width, height), layout="constrained")


def _svg(figure: "Figure") -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    # Only the drawing: an XML declaration cannot stand within a page.
    return re.sub(r"^.*?(?=<svg )", "", text, count=1, flags=re.DOTALL)


def draw(bulletin: Bulletin, language: Language) -> dict[str, str]:
    """Draw all charts: map, curve, and weather where there is some; SVG by name."""
    charts = {
        "map": map_chart(bulletin, language),
        "curve": curve_chart(bulletin, language),
        "weather": weather_chart(bulletin, language),
    }
    return {name: svg for name, svg in charts.items() if svg is not None}


def curve_chart(bulletin: Bulletin, language: Language) -> str:
    """Draw the index of this year over the range and mean of past years."""
    table, year = bulletin.curves, bulletin.request.day.year
    days = [date(year, int(text[:2]), int(text[3:])) for text in table.index]
    past = table.drop(columns=year, errors="ignore")
    # A mean of two years is no normal.
    known = past.notna().sum(axis=1) >= min(bulletin.request.grading.min_years, 3)
    with _figure(6.6, 3.2) as figure:
        axes = figure.subplots()
        low, high = past.min(axis=1).where(known), past.max(axis=1).where(known)
        axes.fill_between(
            days,  # type: ignore[arg-type]
            low.to_numpy(float),
            high.to_numpy(float),
            color=_BAND,
            label=word("range of past years", language),
        )
        mean = past.mean(axis=1).where(known)
        axes.plot(days, mean, "--", color="#6b7a72", lw=1.2)  # type: ignore[arg-type]
        axes.lines[-1].set_label(word("mean of past years", language))
        if year in table:
            axes.plot(days, table[year], "o-", color=_NOW, lw=1.8, ms=3)  # type: ignore[arg-type]
            axes.lines[-1].set_label(str(year))
        _mark_dekad(axes, bulletin, language)
        axes.set_ylabel(bulletin.request.index.upper())
        _months(axes, language)
        axes.legend(frameon=False, loc="upper left", fontsize=7.5)
        return _svg(figure)


def _mark_dekad(axes: "Axes", bulletin: Bulletin, language: Language) -> None:
    """Mark the dekad, and the mean that this year was graded by."""
    day = bulletin.request.dekad.start
    axes.axvline(day, color=_NOW, lw=0.8, alpha=0.5, ls=":")  # type: ignore[arg-type]
    normal = bulletin.growth["normal"]
    if not pd.isna(normal):
        axes.plot([day], [normal], "D", color=_INK, ms=4.5, mfc="white", zorder=4)  # type: ignore[arg-type]
        axes.lines[-1].set_label(word("mean the grade compares with", language))


def _months(axes: "Axes", language: Language) -> None:
    from matplotlib.dates import MonthLocator, num2date
    from matplotlib.ticker import FuncFormatter

    def name(number: float, _: object) -> str:
        day = num2date(number)  # type: ignore[no-untyped-call]
        return f"{day.month}月" if language == "zh" else f"{day:%b}"

    axes.xaxis.set_major_locator(MonthLocator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(FuncFormatter(name))
    axes.grid(axis="y", color="#e6ebe8", lw=0.6)
    axes.set_axisbelow(True)


def weather_chart(bulletin: Bulletin, language: Language) -> str | None:
    """Draw temperature and rain of each dekad against past years, None without any."""
    weather, until = bulletin.weather, bulletin.until
    if weather is None or until is None or until.year != bulletin.request.day.year:
        return None
    tables = {year: _by_dekad(weather, year, until) for year in bulletin.request.wanted}
    now = tables.pop(until.year)
    past: pd.DataFrame = (
        pd.concat(tables, axis=1) if tables else pd.DataFrame(index=now.index)
    )
    days = [date(until.year, int(text[:2]), int(text[3:])) for text in now.index]
    with _figure(6.6, 2.7) as figure:
        above, below = figure.subplots(2, sharex=True)
        _temperature(above, days, now, past, language)
        _rain(below, days, now, past, language)
        _months(above, language)
        _months(below, language)
        return _svg(figure)


def _by_dekad(weather: PlaceWeather, year: int, until: date) -> pd.DataFrame:
    """Mean temperature and rain of whole dekads; NaN where a day is not known."""
    last = date(
        year, until.month, min(until.day, 28) if until.month == 2 else until.day
    )
    rows = {}
    for step in dekads(date(year, 4, 1), last):
        days = weather.part((step.start, step.end))
        mean = (days["tmin"] + days["tmax"]) / 2
        rows[f"{step.start:%m-%d}"] = {
            "mean": mean.mean(skipna=False),
            "rain": days["precipitation"].sum(skipna=False),
        }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "rain"])


def _of_past(past: pd.DataFrame, name: str) -> pd.DataFrame:
    if past.empty or not len(past.columns):
        return pd.DataFrame(index=past.index)
    values = past.xs(name, axis=1, level=1)
    assert isinstance(values, pd.DataFrame)
    return values


def _temperature(
    axes: "Axes",
    days: list[date],
    now: pd.DataFrame,
    past: pd.DataFrame,
    language: Language,
) -> None:
    known = _of_past(past, "mean")
    if len(known.columns):
        low, high = known.min(axis=1).to_numpy(float), known.max(axis=1).to_numpy(float)
        axes.fill_between(days, low, high, color=_BAND)  # type: ignore[arg-type]
        axes.plot(days, known.mean(axis=1), "--", color="#6b7a72", lw=1.2)  # type: ignore[arg-type]
    axes.plot(days, now["mean"], "o-", color="#c2410c", lw=1.6, ms=3)  # type: ignore[arg-type]
    axes.set_ylabel(word("temperature, °C", language))


def _rain(
    axes: "Axes",
    days: list[date],
    now: pd.DataFrame,
    past: pd.DataFrame,
    language: Language,
) -> None:
    known = _of_past(past, "rain")
    axes.bar(days, now["rain"], width=6.5, color="#3b82b6")  # type: ignore[arg-type]
    if len(known.columns):
        axes.plot(days, known.mean(axis=1), "_", color=_INK, ms=11, mew=1.6)  # type: ignore[arg-type]
        axes.lines[-1].set_label(word("mean of past years", language))
        axes.legend(frameon=False, loc="upper left", fontsize=7.5)
    axes.set_ylabel(word("rain, mm", language))


def map_chart(bulletin: Bulletin, language: Language) -> str:
    """Draw the grade of each crop pixel within the county, with a scale bar."""
    (outline,) = project_onto(bulletin.geobox, np.array([bulletin.outline]))
    with _figure(4.2, 4.0) as figure:
        axes = figure.subplots()
        box = bulletin.geobox.boundingbox
        axes.imshow(
            coloured(bulletin.grade),
            extent=(box.left, box.right, box.bottom, box.top),
            interpolation="nearest",
        )
        _clip(axes, outline)
        _scale_bar(axes, outline)
        axes.set_axis_off()
        _grade_legend(axes, language)
        return _svg(figure)


def coloured(grade: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (y, x, 4), see-through where the crop is not grown."""
    from matplotlib.colors import to_rgba

    colours = np.zeros((256, 4))
    colours[: 1 + len(GRADE_COLOURS)] = [*map(to_rgba, (_NO_GRADE, *GRADE_COLOURS))]
    return (255 * colours[grade]).astype(np.uint8)


def _clip(axes: "Axes", outline: shapely.Geometry) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    rings = [
        ring
        for part in getattr(outline, "geoms", [outline])
        for ring in (part.exterior, *part.interiors)
    ]
    curve = Curve.make_compound_path(
        *(Curve(np.asarray(r.coords)[:, :2]) for r in rings)
    )
    ground = PathPatch(curve, facecolor=_NO_CROP, edgecolor="none", zorder=-1)
    border = PathPatch(curve, facecolor="none", edgecolor=_INK, lw=1.0, zorder=3)
    axes.add_patch(ground)
    axes.add_patch(border)
    for image in axes.images:
        image.set_clip_path(border)
    west, south, east, north = outline.bounds
    room = 0.03 * max(east - west, north - south)
    axes.set_xlim(west - room, east + room)
    axes.set_ylim(south - 3 * room, north + room)


def _scale_bar(axes: "Axes", outline: shapely.Geometry) -> None:
    west, south, east, north = outline.bounds
    kilometres = next(
        (km for km in (50, 20, 10, 5, 2, 1) if km * 1000 <= (east - west) / 3), 1
    )
    room = 0.03 * max(east - west, north - south)
    y = south - 1.6 * room
    axes.plot([west, west + 1000 * kilometres], [y, y], color=_INK, lw=2)
    axes.text(west + 500 * kilometres, y + 0.3 * room, f"{kilometres} km", ha="center")


def _grade_legend(axes: "Axes", language: Language) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(
            facecolor=colour,
            edgecolor="#9aa8a0",
            lw=0.4,
            label=grade.zh if language == "zh" else grade.en,
        )
        for colour, grade in zip(GRADE_COLOURS, GRADES, strict=True)
    ]
    for colour, what in ((_NO_GRADE, "no grade"), (_NO_CROP, "not this crop")):
        handles.append(Patch(facecolor=colour, edgecolor="#9aa8a0", lw=0.4))
        handles[-1].set_label(word(what, language))
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=4,
        frameon=False,
        fontsize=7.5,
    )
