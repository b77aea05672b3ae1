"""A harvest drawn: yields as logged, yields as cleaned, and what was left out."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from api.bulletin.charts import font_files
from api.yield_monitor_files import Harvest
from models.yield_monitor import Cleaned, FieldMean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

__all__ = ["draw_harvest"]

_FAMILY = "Noto Sans SC"


def draw_harvest(harvest: Harvest, cleaned: Cleaned, mean: FieldMean) -> bytes:
    """Draw as PNG; both maps share one colour scale, that of the good points."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    if _FAMILY not in fontManager.get_font_names():
        for path in font_files():
            fontManager.addfont(path)
    settings: Any = {
        "font.family": [_FAMILY, "sans-serif"],
        "axes.unicode_minus": False,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(10, 6.2), layout="constrained")
        logged, kept = figure.subplots(1, 2, sharex=True, sharey=True)
        good = cleaned.marks.good
        scale = np.quantile(cleaned.good["yield_t_ha"], [0.02, 0.98])
        _map(logged, cleaned, "raw_t_ha", np.ones(len(good), bool), scale)
        logged.set_title(f"as logged 清洗前 {mean.raw_mean:.2f} t/ha", fontsize=10)
        drawn = _map(kept, cleaned, "yield_t_ha", good, scale)
        points = cleaned.points[~good]
        kept.scatter(points["x_m"], points["y_m"], s=3, c="#b0b0b0", linewidths=0)
        kept.set_title(
            f"cleaned 清洗后 {mean.mean:.2f} t/ha; grey 灰: left out 剔除 "
            f"{len(points)} / {len(good)}",
            fontsize=10,
        )
        figure.colorbar(drawn, ax=[logged, kept], label="t/ha", shrink=0.7)
        said = "; simulated 模拟数据" if harvest.simulated else ""
        figure.suptitle(
            f"{harvest.name}, {cleaned.basis:g} % moisture 含水率{said}", fontsize=11
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _map(
    axes: "Axes",
    cleaned: Cleaned,
    column: str,
    which: np.ndarray[tuple[int], np.dtype[np.bool_]],
    scale: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> "PathCollection":
    points = cleaned.points[which]
    axes.set_aspect("equal")
    axes.set_xlabel("m east 东")
    axes.set_ylabel("m north 北")
    return axes.scatter(
        points["x_m"],
        points["y_m"],
        c=points[column],
        s=4,
        linewidths=0,
        cmap="viridis",
        vmin=scale[0],
        vmax=scale[1],
    )
