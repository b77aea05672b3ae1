"""Stored statistics as a table for spreadsheets, which the reader takes back.

What was read from a table comes back the same, in any language and units. A statistic
stored without its production comes back with the product of its area and yield.
"""

import csv
import io
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal

from ingest.county_names import COUNTY_NAMES
from ingest.statistics.units import MEASURES, MEASURES_ZH, Measure, parse_unit, rounded
from raster.files import replace_file
from store.statistics import CountyStatistic

__all__ = [
    "Language",
    "UnitSystem",
    "safe_text",
    "statistics_csv",
    "statistics_xlsx",
    "write_table",
]

Language = Literal["zh", "en"]
UnitSystem = Literal["metric", "chinese"]

Cell = str | float | int | None

_UNITS: dict[tuple[Language, UnitSystem], tuple[str, str, str]] = {
    ("zh", "metric"): ("公顷", "吨", "吨/公顷"),
    ("zh", "chinese"): ("万亩", "吨", "公斤/亩"),
    ("en", "metric"): ("ha", "t", "t/ha"),
    ("en", "chinese"): ("万亩", "t", "kg/亩"),
}
_HEADERS: dict[Language, tuple[str, ...]] = {
    "zh": (
        *("代码", "县（市、区）", "作物", "年份"),
        *("播种面积（{}）", "总产量（{}）", "单产（{}）"),
        *("推算", "来源", "来源文件", "原名称", "模拟"),
    ),
    "en": (
        *("Code", "County", "Crop", "Year"),
        *("Sown area ({})", "Production ({})", "Yield ({})"),
        *("Derived", "Source", "File", "Name in source", "Simulated"),
    ),
}
_CROPS_ZH = {"maize": "玉米", "rice": "水稻", "soybean": "大豆"}
_YES: dict[Language, str] = {"zh": "是", "en": "yes"}
# A spreadsheet takes text that begins so for a formula (OWASP, CSV injection).
_FORMULA = re.compile(r"^'*[=+\-@\t\r]")
# XML 1.0 has no place for these.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def statistics_csv(
    rows: Iterable[CountyStatistic],
    *,
    language: Language = "zh",
    units: UnitSystem = "metric",
) -> bytes:
    """Write statistics as CSV: UTF-8 with byte order mark, lines ended by CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows(_table(rows, language, units))
    # Excel takes UTF-8 for the local code page unless the file starts with the mark.
    return text.getvalue().encode("utf-8-sig")


def statistics_xlsx(
    rows: Iterable[CountyStatistic],
    *,
    language: Language = "zh",
    units: UnitSystem = "metric",
) -> bytes:
    """Write statistics as an XLSX workbook of one sheet."""
    from openpyxl import Workbook

    book = Workbook()
    for row in _table(rows, language, units):
        book.active.append(row)
    book.active.freeze_panes = "A2"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def write_table(
    path: Path,
    rows: Iterable[CountyStatistic],
    *,
    language: Language = "zh",
    units: UnitSystem = "metric",
) -> None:
    """Write statistics to a file, XLSX or CSV by its name, whole or not at all.

    Raises
    ------
    raster.errors.WriteFailed
    """
    write = statistics_xlsx if path.suffix.lower() == ".xlsx" else statistics_csv
    replace_file(path, write(rows, language=language, units=units))


def _table(
    rows: Iterable[CountyStatistic], language: Language, units: UnitSystem
) -> Iterable[list[Cell]]:
    names = _UNITS[language, units]
    header = list(_HEADERS[language])
    header[4:7] = [
        text.format(name) for text, name in zip(header[4:7], names, strict=True)
    ]
    factors = {
        measure: unit.factor
        for measure, name in zip(MEASURES, names, strict=True)
        if (unit := parse_unit(name))
    }
    yield [*header]
    for row in rows:
        yield _cells(row, language, factors)


def _cells(
    row: CountyStatistic, language: Language, factors: dict[Measure, Fraction]
) -> list[Cell]:
    name = COUNTY_NAMES.get(row.county, ("", ""))[language == "en"]
    crop = _CROPS_ZH[row.crop] if language == "zh" else row.crop
    chinese = {str(name): text for name, text in MEASURES_ZH.items()}
    derived = chinese.get(row.derived or "") if language == "zh" else row.derived
    numbers = (row.area_ha, row.production_t, row.yield_t_ha)
    return [
        *(row.county, name, crop, row.year),
        *(
            None if number is None else _shortest(number, factors[measure])
            for measure, number in zip(MEASURES, numbers, strict=True)
        ),
        derived,
        *(safe_text(text) for text in (row.source, row.file, row.written)),
        _YES[language] if row.simulated else None,
    ]


def _shortest(number: float, factor: Fraction) -> float | int:
    """Give a number in a unit no more digits than it needs to come back the same."""
    value = Fraction(number) / factor
    texts = (f"{float(value):.{digits}g}" for digits in range(1, 18))
    text = next(
        (text for text in texts if rounded(Fraction(text) * factor) == number),
        repr(float(value)),
    )
    short = float(text)
    return int(short) if short.is_integer() else short


def safe_text(text: str | None) -> str | None:
    """Keep a spreadsheet from taking a text for a formula; the reader undoes it."""
    if text is None:
        return None
    text = _CONTROL.sub(" ", text)
    return f"'{text}" if _FORMULA.match(text) else text
