"""`heitu wofost`: a county's yield by WOFOST, corrected by observed leaf area."""

import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import Data
from api.progress import Stages
from api.settings import command_settings

if TYPE_CHECKING:
    from models.wofost import Ensemble, LeafArea

__all__ = ["wofost"]

TheCounty = Annotated[
    str, typer.Option("--county", help="GB/T 2260 code or Chinese name · 县代码或县名")
]
Emergence = Annotated[
    datetime,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Of the crop · 出苗日期"),
]
Last = Annotated[
    datetime,
    typer.Option(
        "--end",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Maturity at the latest · 最晚成熟日期",
    ),
]
Lai = Annotated[
    Path | None,
    typer.Option(metavar="FILE.csv", help="day, lai, sd · 叶面积指数观测"),
]
Elevation = Annotated[
    float, typer.Option(min=-200, max=6000, help="m above the sea · 海拔，米")
]
Mode = Annotated[
    str, typer.Option(metavar="potential|water_limited", help="Production · 生产水平")
]
Change = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Parameter, e.g. TSUM1=850 · 参数，可重复"),
]
Members = Annotated[int, typer.Option(min=5, help="Of the ensemble · 集合成员数")]
Level = Annotated[float, typer.Option(min=1, max=99, help="Of the interval, % · 区间")]
Seed = Annotated[int, typer.Option(help="Of all random numbers · 随机种子")]


def wofost(
    county: TheCounty,
    emergence: Emergence,
    end: Last,
    lai: Lai = None,
    elevation: Elevation = 200.0,
    mode: Mode = "potential",
    change: Change = None,
    members: Members = 50,
    level: Level = 90.0,
    seed: Seed = 0,
    data: Data = None,
) -> None:
    """Run WOFOST for a county's maize, corrected by leaf area · 作物模型单产."""
    from api.wofost_run import WofostRequest, leaf_area_of, run_wofost

    _check_level(level, members=members)
    request = WofostRequest(
        county=county,
        start=emergence.date(),
        end=end.date(),
        observed=() if lai is None else leaf_area_of(lai),
        elevation=elevation,
        mode=mode,
        changes=dict(map(_change, change or ())),
        members=members,
        seed=seed,
    )
    settings = command_settings(data)
    with Stages() as stages, stages.stage("WOFOST", "作物模型"):
        made = run_wofost(settings, request)
    _tell(made.ensemble, request.observed, level=level)
    if made.assumed:
        typer.echo(f"assumed, not measured · 假定值: {', '.join(made.assumed)}")
    if made.simulated:
        typer.echo("simulated 模拟数据")


def _check_level(level: float, *, members: int) -> None:
    """Refuse an interval that so few members cannot bound: their range says less."""
    needed = math.ceil(200 / (100 - level))
    if members < needed:
        raise typer.BadParameter(
            f"--members {members}: an interval of {level:g} % needs {needed} at least"
            f" · {level:g}% 区间至少需要 {needed} 个成员"
        )


def _tell(
    ensemble: "Ensemble", observed: "tuple[LeafArea, ...]", *, level: float
) -> None:
    import numpy as np

    for seen, used in zip(observed, ensemble.used, strict=True):
        typer.echo(f"{seen.day} LAI {seen.value:g} ± {seen.sd:g}: {used}")
    tail = (100 - level) / 2
    low, high = np.percentile(ensemble.yields, [tail, 100 - tail])
    typer.echo(
        f"yield 单产: {ensemble.mean:.2f} t/ha ({low:.2f} - {high:.2f}, {level:g} % of "
        f"{len(ensemble.yields)} members · 成员), moisture 含水率 "
        f"{ensemble.moisture:g} %"
    )
    if unripe := len(ensemble.yields) - ensemble.matured:
        typer.echo(
            f"warning: {unripe} of {len(ensemble.yields)} members are not mature at the"
            " end: give a later --end, or the temperature sums of a local variety · "
            f"警告：{unripe} 个成员到结束日期仍未成熟，请延后 --end 或改用当地品种积温"
        )
    typer.echo(
        "the interval is the spread of perturbed parameters alone: no error of the "
        "model, its variety or the weather"
        " · 区间仅反映参数扰动，不含模型、品种和气象误差"
    )


def _change(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError as exc:
        raise typer.BadParameter(
            f"--change {text}: give NAME=VALUE, e.g. TSUM1=850"
            f" · --change {text} 应为 名称=数值，例如 TSUM1=850"
        ) from exc
