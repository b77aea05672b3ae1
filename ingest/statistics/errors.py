"""Errors of statistics tables.

::

    IngestError
    └── StatisticsError
        ├── TableUnreadable
        ├── XlsNotRead
        ├── SheetUnknown
        ├── HeaderNotFound
        ├── NothingTaken
        ├── UnitUnknown
        ├── UnitMissing
        ├── UnitContradictory
        ├── CropMissing
        ├── YearMissing
        ├── OptionContradictory
        └── TitleNotOfYear
"""

from collections.abc import Iterable
from pathlib import Path

from ingest.errors import IngestError

__all__ = [
    "CropMissing",
    "HeaderNotFound",
    "NothingTaken",
    "OptionContradictory",
    "SheetUnknown",
    "StatisticsError",
    "TableUnreadable",
    "TitleNotOfYear",
    "UnitContradictory",
    "UnitMissing",
    "UnitUnknown",
    "XlsNotRead",
    "YearMissing",
]


class StatisticsError(IngestError):
    """A statistics table that cannot be taken; nothing of it was stored."""


class TableUnreadable(StatisticsError):
    """A file that is no CSV and no XLSX, or a broken one."""

    def __init__(self, path: Path, *, detail: str) -> None:
        super().__init__(
            f"{path}: {detail}; open it in a spreadsheet and save it as .xlsx or as"
            " CSV UTF-8"
            f" · 无法读取 {path.name}，请用电子表格软件打开并另存为 .xlsx 或 UTF-8 CSV"
        )
        self.path = path


class XlsNotRead(StatisticsError):
    """A workbook of the old format, or one with a password."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is a workbook of the old .xls format, a web page named so, or has"
            " a password: save it as .xlsx without one"
            f" · {path.name} 是旧的 .xls 格式（或网页、或有密码），"
            "请另存为无密码的 .xlsx"
        )
        self.path = path


class SheetUnknown(StatisticsError):
    """The workbook has no sheet of this name."""

    def __init__(self, path: Path, *, sheet: str, sheets: Iterable[str]) -> None:
        self.path, self.sheet, self.sheets = path, sheet, tuple(sheets)
        there = ", ".join(self.sheets)
        super().__init__(
            f"{path} has no sheet {sheet!r}; it has: {there}"
            f" · {path.name} 没有工作表“{sheet}”，现有：{there}"
        )


class HeaderNotFound(StatisticsError):
    """No row names a column of counties and one of area, production or yield."""

    def __init__(self, path: Path, *, seen: str) -> None:
        super().__init__(
            f"{path}: no header row with a column of counties (县、地区 …) and one of"
            f" area, production or yield (面积、总产、单产); the file begins: {seen}"
            f" · {path.name} 中找不到表头：需要县名列，以及面积、总产或单产列"
        )
        self.path = path


class NothingTaken(StatisticsError):
    """A table of counties without a column that could be taken."""

    def __init__(self, path: Path, *, columns: Iterable[str]) -> None:
        self.path, self.columns = path, tuple(columns)
        super().__init__(
            f"{path} has no column of area, production or yield of a crop that is"
            f" kept (maize, rice, soybean): {'; '.join(self.columns)}"
            f" · {path.name} 中没有可采用的列（玉米、水稻、大豆的面积、总产、单产）"
        )


class UnitUnknown(StatisticsError):
    """A column names a unit that is not known, or one of another quantity."""

    def __init__(self, *, column: str, unit: str, measure: str) -> None:
        super().__init__(
            f"column {column}: the unit {unit!r} is not known for {measure}; correct"
            f" it, or take the unit out of the file and give --unit {measure}=UNIT"
            f" · 列“{column}”的单位“{unit}”无法识别，请改正，或从表中删去并用"
            f" --unit {measure}=单位 指定"
        )
        self.column, self.unit, self.measure = column, unit, measure


class UnitMissing(StatisticsError):
    """Columns without a unit; a unit is never guessed from the size of numbers."""

    def __init__(self, *, columns: Iterable[str], measure: str, said: str) -> None:
        self.columns, self.measure, self.said = tuple(columns), measure, said
        names = ", ".join(self.columns)
        seen = f" (the table says {said!r})" if said else ""
        super().__init__(
            f"no unit of {measure} for column {names}{seen}: give it, for example"
            f" --unit {measure}={_EXAMPLE[measure]}"
            f" · 列“{names}”没有单位，请指定，例如 --unit {measure}={_EXAMPLE[measure]}"
        )


class UnitContradictory(StatisticsError):
    """The file names another unit than the command."""

    def __init__(self, *, column: str, unit: str, given: str, measure: str) -> None:
        super().__init__(
            f"column {column} is in {unit}, --unit {measure} says {given}: leave the"
            " option out, or correct the file"
            f" · 列“{column}”的单位是{unit}，而 --unit {measure} 给出{given}，"
            "请去掉该选项或改正文件"
        )
        self.column, self.unit, self.given, self.measure = column, unit, given, measure


class CropMissing(StatisticsError):
    """Neither the table nor its title says which crop its columns are of."""

    def __init__(self, *, columns: Iterable[str], where: str) -> None:
        self.columns = tuple(columns)
        names = ", ".join(self.columns)
        super().__init__(
            f"{where}: of which crop is column {names}? Give --crop maize, rice or"
            f" soybean · {where}：列“{names}”是什么作物？请用 --crop 指定"
            " maize（玉米）、rice（水稻）或 soybean（大豆）"
        )


class YearMissing(StatisticsError):
    """Neither the table nor its title says of which year the numbers are."""

    def __init__(self, *, where: str) -> None:
        super().__init__(
            f"{where}: no column, title or heading says the year; give --year YYYY"
            f" · {where}：表中没有年份，请用 --year 指定"
        )


class OptionContradictory(StatisticsError):
    """The title names another crop or year than the command."""

    def __init__(self, *, option: str, given: str, titled: Iterable[str]) -> None:
        self.option, self.given, self.titled = option, given, tuple(titled)
        said = ", ".join(self.titled)
        super().__init__(
            f"the title says {said}, {option} says {given}: leave the option out, or"
            " correct the title"
            f" · 标题为 {said}，而 {option} 给出 {given}，请去掉该选项或改正标题"
        )


class TitleNotOfYear(StatisticsError):
    """A title tells of a mean, a plan or a part of a crop, not of a year's harvest."""

    def __init__(self, *, title: str, words: str) -> None:
        super().__init__(
            f"the title {title!r} says {words!r}: only the statistic of one year and"
            " the whole crop is kept; leave this table out, or correct the title"
            f" · 标题“{title}”含“{words}”：只收录单一年份、整个作物的统计，"
            "请去掉该表或改正标题"
        )
        self.title, self.words = title, words


_EXAMPLE = {"area": "万亩", "production": "吨", "yield": "斤/亩"}
