"""The county estimates as a table for spreadsheets and statistical tools.

Column names and status codes are those of SDMX (SDMX Global Registry, CL_FREQ and
CL_OBS_STATUS); the text is RFC 4180 in UTF-8 with a byte order mark.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from api.schemas import Estimate

__all__ = ["COLUMNS", "HEADED", "estimates_csv", "headed_csv"]

COLUMNS = (
    "DATAFLOW",
    "REF_AREA",
    "CROP",
    "TIME_PERIOD",
    "FREQ",
    "MEASURE",
    "OBS_VALUE",
    "UNIT_MEASURE",
    "OBS_STATUS",
    "LOWER_80",
    "UPPER_80",
    "MODEL_VERSION",
    "ISSUED_AT",
    "RUN",
    "SIMULATED",
    "NAME_ZH",
    "NAME_EN",
    "COMMENT",
    "AS_OF",
    "LEAD_DAYS",
    "TREND",
    "MEAN_5",
    "RMSE",
    "RMSE_TREND",
    "RMSE_MEAN_5",
    "SOURCE",
    "STANDARD_ERROR",
    "AREA_SOURCE",
)

HEADED = {
    "county": ("county code", "县代码"),
    "name_zh": ("name (Chinese)", "县名"),
    "name_en": ("name", "英文名"),
    "crop": ("crop", "作物"),
    "year": ("year", "年份"),
    "measure": ("measure", "指标"),
    "value": ("value", "估计值"),
    "unit": ("unit", "单位"),
    "lower": ("lower bound", "区间下限"),
    "upper": ("upper bound", "区间上限"),
    "interval": ("probability of the interval", "区间概率"),
    "se": ("standard error", "标准误"),
    "status": ("status", "状态"),
    "as_of": ("data up to", "数据截止日"),
    "lead_days": ("days before harvest", "距收获天数"),
    "trend": ("trend", "趋势值"),
    "mean5": ("five-year mean", "近五年均值"),
    "rmse": ("past error of the model, t/ha", "模型往年误差（吨/公顷）"),
    "rmse_trend": ("past error of the trend, t/ha", "趋势往年误差（吨/公顷）"),
    "rmse_mean5": ("past error of the mean, t/ha", "均值往年误差（吨/公顷）"),
    "reason": ("note", "说明"),
    "source": ("source", "来源"),
    "area_source": ("area from", "面积来源"),
    "simulated": ("simulated", "模拟数据"),
    "issued_at": ("issued", "发布时间"),
    "run_id": ("run", "运行"),
}
"""Field of an estimate -> header in English and in Chinese."""

_WORDS_ZH = {
    "maize": "玉米",
    "rice": "水稻",
    "soybean": "大豆",
    "yield": "单产",
    "area": "面积",
    "production": "总产",
    "forecast": "预测",
    "provisional": "暂定",
    "final": "最终",
    "missing": "缺",
    "survey": "抽样调查",
    "statistics": "往年统计",
    "survey+statistics": "抽样调查与往年统计",
}

_DATAFLOW = "COUNTY_ESTIMATES"

_OBS_STATUS = {"forecast": "F", "provisional": "P", "final": "A", "missing": "M"}

_INTERVAL = 0.8


def estimates_csv(
    estimates: Iterable[Estimate], model_versions: Mapping[str, str | None]
) -> bytes:
    """Write estimates as CSV.

    Parameters
    ----------
    estimates
        Rows, in the order to write them.
    model_versions
        Run id -> version of the model that the run used.

    Returns
    -------
    bytes
        UTF-8 with byte order mark, lines ended by CRLF, a header line even when there
        are no rows. A missing value is an empty cell with OBS_STATUS ``M``; bounds of
        another interval than 80 % are left empty, since the columns name 80 %. TREND
        and MEAN_5 are the county's baselines in UNIT_MEASURE, the RMSE columns what
        model and baselines missed in past years, t/ha; SOURCE that of a final value;
        AREA_SOURCE what the hectares of an area or a production rest on.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(row, model_versions[row.run_id]) for row in estimates)
    # Excel takes UTF-8 for the local code page unless the file starts with the mark.
    return text.getvalue().encode("utf-8-sig")


def headed_csv(estimates: Iterable[Estimate], *, lang: Literal["zh", "en"]) -> bytes:
    """Write estimates as CSV for people, with headers and words of one language.

    UTF-8 with byte order mark, lines ended by CRLF; a number that is not there is an
    empty cell, and a note of two languages is cut to the one.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([names[lang == "zh"] for names in HEADED.values()])
    for row in estimates:
        writer.writerow([_word(getattr(row, name), lang) for name in HEADED])
    return text.getvalue().encode("utf-8-sig")


def _word(value: object, lang: str) -> object:
    if isinstance(value, bool):
        return ("是" if value else "否") if lang == "zh" else str(value).lower()
    if isinstance(value, datetime):
        return _utc(value)
    if not isinstance(value, str):
        return value
    english, between, chinese = value.partition(" · ")
    if lang == "en":
        return english
    return chinese if between else _WORDS_ZH.get(value, value)


def _row(estimate: Estimate, model_version: str | None) -> tuple[object, ...]:
    has_80 = estimate.interval == _INTERVAL
    return (
        _DATAFLOW,
        estimate.county,
        estimate.crop,
        estimate.year,
        "A",
        estimate.measure,
        estimate.value,
        estimate.unit,
        _OBS_STATUS[estimate.status],
        estimate.lower if has_80 else None,
        estimate.upper if has_80 else None,
        model_version,
        _utc(estimate.issued_at),
        estimate.run_id,
        str(estimate.simulated).lower(),
        estimate.name_zh,
        estimate.name_en,
        estimate.reason,
        estimate.as_of,
        estimate.lead_days,
        estimate.trend,
        estimate.mean5,
        estimate.rmse,
        estimate.rmse_trend,
        estimate.rmse_mean5,
        estimate.source,
        estimate.se,
        estimate.area_source,
    )


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
