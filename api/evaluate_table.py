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
    r"(region|county|adm|admin|geo)(_?(id|code|fips))?|(county_)?fips(_code)?"
    r"|geoid|adcode|地区|区县|县|县市|县代码|行政区划代码"
)
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

    CSV may be UTF-8 or GB 18030, and gzipped. Regions are text, with leading zeros.

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
        return _with_text(frame, chosen.region), chosen
    if name.endswith((".csv", ".csv.gz")):
        return _csv(path, region, year, target)
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

    for encoding in ("utf-8-sig", "gb18030"):
        try:
            header = pd.read_csv(
                path, encoding=encoding, header=None, nrows=1, dtype=str
            )
            names = header.iloc[0].fillna("").tolist()
            _refuse_twice(names, path)
            chosen = _chosen(names, region, year, target)
            frame = pd.read_csv(path, encoding=encoding, dtype={chosen.region: str})
            # Once more as it stands: a region named NA is no empty cell.
            key = pd.read_csv(
                path,
                encoding=encoding,
                usecols=[chosen.region],
                dtype=str,
                keep_default_na=False,
            )[chosen.region].str.strip()
        except UnicodeDecodeError:
            continue
        except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as exc:
            raise _unreadable(path, exc) from exc
        return frame.assign(**{chosen.region: key.where(key != "")}), chosen
    raise EvaluationTableInvalid(
        f"{path}: the text is neither UTF-8 nor GB 18030: save it as UTF-8"
        f" · {path.name} 的编码既非 UTF-8 也非 GB18030，请另存为 UTF-8"
    )


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
