"""A table of regions and years from a file, and which of its columns are which."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.errors import ApiError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "EvaluationTableInvalid", "load_table"]

_REGION = re.compile(
    r"(region|county|adm|admin|geo)(_?(id|code|fips|name))?|(county_)?fips(_code)?"
    r"|geoid|adcode|地区|县市区|县\(市、?区\)|区县|县区|市县|县市|县|县名|县代码|行政区划代码"
)
_SAVED_INDEX = re.compile(r"unnamed: \d+|index|")
_WITH_YEAR = re.compile(r"\s*(\d{4})\s*年?\s*")
# Excel writes semicolons where the comma is the decimal point, and tabs on request.
_SEPARATORS = (",", ";", "\t")
_YEAR = re.compile(r"(harvest_|crop_)?year|年|年份")
_EXACT_TARGET = re.compile(r"yield|target|单产|亩产")
_TARGET = re.compile(r"(.+_)?yields?(_.+)?|单产.*")


class EvaluationTableInvalid(ApiError):
    """A file is no table of regions and years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns that say which region, which year, and what happened."""

    region: str
    year: str
    target: str


def load_table(
    path: Path, *, region: str | None, year: str | None, target: str | None
) -> tuple["pd.DataFrame", Columns]:
    """Read a CSV or Parquet file; columns not named are guessed where only one fits.

    CSV may be UTF-8, UTF-16 or GB 18030, with commas, semicolons or tabs, and gzipped.
    Regions are text, with leading zeros; 2024年 is a year; the number of the row that a
    program saved beside the table is left out.

    Raises
    ------
    EvaluationTableInvalid
        The file is missing, no table, or does not tell which columns are which.
    """
    if not path.is_file():
        raise EvaluationTableInvalid(
            f"{path}: no such file; give a CSV or Parquet table · 找不到文件 {path}"
        )
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        frame = _parquet(path)
        chosen = _chosen(map(str, frame.columns), region, year, target)
        return _plain(_with_text(frame, chosen.region), chosen), chosen
    if name.endswith((".csv", ".csv.gz")):
        frame, chosen = _csv(path, region, year, target)
        return _plain(frame, chosen), chosen
    raise EvaluationTableInvalid(
        f"{path}: its name ends neither with .csv, .csv.gz nor .parquet: save it as one"
        " of them · 只能读取 CSV（可为 .csv.gz）或 Parquet 文件"
    )


def _parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as exc:
        raise _unreadable(path, exc) from exc
    # A table saved with its index keeps region and year there.
    return frame.reset_index() if any(frame.index.names) else frame


def _csv(
    path: Path, region: str | None, year: str | None, target: str | None
) -> tuple["pd.DataFrame", Columns]:
    import pandas as pd

    # UTF-16 first: it says so itself, and its bytes pass for GB 18030.
    for encoding in ("utf-16", "utf-8-sig", "gb18030"):
        try:
            names, sep = _header(path, encoding)
            _refuse_twice(names, path)
            chosen = _chosen(names, region, year, target)
            frame = pd.read_csv(
                path, encoding=encoding, sep=sep, dtype={chosen.region: str}
            )
            # Once more as it stands: a region named NA is no empty cell.
            key = pd.read_csv(
                path,
                encoding=encoding,
                sep=sep,
                usecols=[chosen.region],
                dtype=str,
                keep_default_na=False,
            )[chosen.region].str.strip()
        except (UnicodeDecodeError, UnicodeError):
            continue
        except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as exc:
            raise _unreadable(path, exc) from exc
        return frame.assign(**{chosen.region: key.where(key != "")}), chosen
    raise EvaluationTableInvalid(
        f"{path}: the text is neither UTF-8 nor GB 18030: save it as UTF-8"
        f" · {path.name} 的编码既非 UTF-8 也非 GB18030，请另存为 UTF-8"
    )


def _header(path: Path, encoding: str) -> tuple[list[str], str]:
    """Return the names in the first line, and the separator that finds most of them."""
    import pandas as pd

    found = []
    for sep in _SEPARATORS:
        # Nothing but the first line: a later one may be no text of this encoding.
        header = pd.read_csv(
            path, encoding=encoding, sep=sep, header=None, nrows=1, dtype=str
        )
        found.append((header.iloc[0].fillna("").tolist(), sep))
    return max(found, key=lambda one: len(one[0]))


def _plain(frame: "pd.DataFrame", chosen: Columns) -> "pd.DataFrame":
    """Leave out a saved row number, and read 2024年 as a year."""
    used = {chosen.region, chosen.year, chosen.target}
    saved = [
        name
        for name in frame.columns
        if name not in used
        and _SAVED_INDEX.fullmatch(str(name).strip().lower())
        and _counts(frame[name])
    ]
    frame = frame.drop(columns=saved)
    year = frame[chosen.year]
    if year.dtype != object and str(year.dtype) not in {"str", "string"}:
        return frame
    found = year.astype("string").str.extract(_WITH_YEAR.pattern + "$", expand=False)
    return frame.assign(**{chosen.year: year.where(found.isna(), found)})


def _counts(column: "pd.Series") -> bool:
    """Tell whether a column numbers its rows."""
    return bool(column.is_unique and (column.diff().dropna() == 1).all())


def _unreadable(path: Path, cause: Exception) -> EvaluationTableInvalid:
    return EvaluationTableInvalid(
        f"{path}: cannot be read as a table ({cause}); is the file whole?"
        f" · {path.name} 不是完整的表格，请检查文件"
    )


def _refuse_twice(names: Sequence[str], path: Path) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise EvaluationTableInvalid(
            f"{path}: two columns are named {', '.join(twice)}: rename one"
            f" · {path.name} 有同名的列 {', '.join(twice)}，请改名"
        )


def _with_text(frame: "pd.DataFrame", region: str) -> "pd.DataFrame":
    """Return regions as text; a missing code must not turn 220184 into 220184.0."""
    import pandas as pd

    values = frame[region]
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return frame.assign(**{region: values.astype("string").astype(object)})


def _chosen(
    columns: "Sequence[str] | map[str]",
    region: str | None,
    year: str | None,
    target: str | None,
) -> Columns:
    names = list(columns)
    return Columns(
        region=_column(names, region, "--region", (_REGION,)),
        year=_column(names, year, "--year", (_YEAR,)),
        target=_column(names, target, "--target", (_EXACT_TARGET, _TARGET)),
    )


def _column(
    names: Sequence[str],
    given: str | None,
    option: str,
    patterns: Sequence[re.Pattern[str]],
) -> str:
    """Return the column given, else the one whose name fits the first such pattern."""
    if given is not None:
        if given in names:
            return given
        raise EvaluationTableInvalid(
            f"the table has no column {given!r}: choose another with {option} of"
            f" {_listed(names)} · 表中没有列 {given}，请用 {option} 另选"
        )
    for pattern in patterns:
        fitting = [name for name in names if pattern.fullmatch(name.strip().lower())]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise EvaluationTableInvalid(
                f"{', '.join(fitting)} could each be meant: choose one with {option}"
                f" · {'、'.join(fitting)} 都有可能，请用 {option} 指明"
            )
    raise EvaluationTableInvalid(
        f"no column tells by its name what {option} is: choose one of {_listed(names)}"
        f" · 无法由列名判断，请用 {option} 指明"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown} … ({len(names)})" if len(names) > 12 else shown
