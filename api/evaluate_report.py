"""What `heitu evaluate` prints and writes."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table as Shown

from api.evaluate_table import Columns
from api.tables import print_table
from raster.files import replace_file

if TYPE_CHECKING:
    from models.county import Evaluation, Score, Table

__all__ = [
    "as_json",
    "numbers",
    "print_columns",
    "print_scores",
    "print_warnings",
    "summary",
    "write",
]


def summary(
    found: "Evaluation",
    table: "Table",
    columns: Columns,
    *,
    dropped: int,
) -> dict[str, Any]:
    """Return all numbers as one object, None where there is none."""
    from models.county import doubts

    last = found.leads[-1]
    statuses = found.rows.loc[found.rows["lead"] == last, "status"].value_counts()
    return {
        "years": list(found.years),
        **numbers(found.at(last)),
        "per_year": [
            {"year": year, **numbers(found.of(year, lead=last))} for year in found.years
        ],
        "leads": [{"until": lead, **numbers(found.at(lead))} for lead in found.leads],
        "protocol": found.protocol,
        "interval": found.interval,
        "statuses": {str(k): int(v) for k, v in sorted(statuses.items())},
        "columns": {
            **asdict(columns),
            "series": [one.name for one in table.series],
            "scalars": list(table.scalar_names),
            "traits": list(table.trait_names),
            "ignored": list(table.ignored),
        },
        "regions": len(table.regions),
        "rows_without_region_or_year": dropped,
        "warnings": [str(reason) for reason in doubts(table)],
    }


def numbers(score: "Score") -> dict[str, float | int | None]:
    """Return a score flat: `rmse`, `rmse_trend`, `rmse_mean5` and so on."""
    flat: dict[str, float | int | None] = {"n": score.n, "missing": score.missing}
    for suffix, errors in (
        ("", score.model),
        ("_trend", score.trend),
        ("_mean5", score.mean5),
    ):
        flat |= {f"{k}{suffix}": _finite(v) for k, v in asdict(errors).items()}
    return flat | {
        "skill": _finite(score.skill),
        "coverage": _finite(score.coverage),
        "width": _finite(score.width),
        "no_interval": score.no_interval,
        "mape_zeros": score.zeros,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_json(result: Mapping[str, Any]) -> str:
    """Return an object on one line; JSON knows no NaN."""
    return json.dumps(result, ensure_ascii=False, allow_nan=False)


def print_warnings(result: Mapping[str, Any]) -> None:
    """Say aloud, beside the result, what makes it doubtful."""
    for warning in result["warnings"]:
        typer.secho(f"warning 警告: {warning}", err=True, fg=typer.colors.RED)


def print_columns(result: Mapping[str, Any]) -> None:
    """Say what each column was taken for: names tell, and may tell wrongly."""
    columns = result["columns"]
    lines = [
        f"region 地区: {columns['region']} ({result['regions']})"
        f"  year 年份: {columns['year']}  target 目标: {columns['target']}",
        _named("series 时间序列", columns["series"]),
        _named("scalars 逐年特征", columns["scalars"]),
        _named("traits 固定特征", columns["traits"]),
        _named("ignored 未使用", columns["ignored"]),
    ]
    if dropped := result["rows_without_region_or_year"]:
        lines.append(
            f"left out: {dropped} rows without region or year · 缺地区或年份的行已略去"
        )
    for line in lines:
        typer.echo(line)


def _named(title: str, names: Sequence[str]) -> str:
    if not names:
        return f"{title}: -"
    more = f" … ({len(names)})" if len(names) > 10 else ""
    return f"{title}: {', '.join(names[:10])}{more}"


def print_scores(result: Mapping[str, Any]) -> None:
    """Print errors by year, then by lead time."""
    title = f"{result['protocol']}, {result['interval']:.0%} interval 区间"
    years = _table("year 年份", title)
    for row in result["per_year"]:
        years.add_row(str(row["year"]), *_cells(row))
    years.add_section()
    years.add_row("all 合计", *_cells(result))
    print_table(years)
    leads = _table("up to day 截至日", "lead times 预报时效")
    for row in result["leads"]:
        leads.add_row(str(row["until"]), *_cells(row))
    print_table(leads)
    statuses = ", ".join(f"{k} {v}" for k, v in result["statuses"].items())
    typer.echo(f"status 状态: {statuses}")
    if zeros := result["mape_zeros"]:
        typer.echo(f"MAPE leaves out {zeros} targets of 0 · MAPE 略去{zeros}个零值")


def _table(first: str, title: str) -> Shown:
    return Shown(
        first,
        "n 样本",
        "missing 缺",
        "RMSE 模型",
        "trend 趋势",
        "mean5 五年均值",
        "skill 技巧",
        "NRMSE %",
        "MAPE %",
        "R²",
        "coverage 覆盖率",
        "width 宽度",
        title=title,
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    errors = [_text(row[name]) for name in ("rmse", "rmse_trend", "rmse_mean5")]
    return [
        str(row["n"]),
        str(row["missing"]),
        *errors,
        _text(row["skill"], ".1%"),
        _text(row["nrmse"], ".1f"),
        _text(row["mape"], ".1f"),
        _text(row["r2"], ".2f"),
        _text(row["coverage"], ".1%"),
        _text(row["width"]),
    ]


def _text(value: float | None, form: str = ".4g") -> str:
    return "-" if value is None else format(value, form)


def write(folder: Path, found: "Evaluation", result: Mapping[str, Any]) -> None:
    """Write `estimates.csv` (UTF-8 with byte order mark) and `summary.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    # Excel takes UTF-8 for the local code page unless the file starts with the mark.
    text = found.rows.to_csv(index=False, lineterminator="\r\n")
    replace_file(folder / "estimates.csv", text.encode("utf-8-sig"))
    pretty = json.dumps(result, ensure_ascii=False, allow_nan=False, indent=2)
    replace_file(folder / "summary.json", f"{pretty}\n".encode())
