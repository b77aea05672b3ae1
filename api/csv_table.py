"""The county estimates as a table for spreadsheets and statistical tools.

Column names and status codes are those of SDMX (SDMX Global Registry, CL_FREQ and
CL_OBS_STATUS); the text is RFC 4180 in UTF-8 with a byte order mark.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from api.schemas import Estimate

__all__ = ["COLUMNS", "estimates_csv"]

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
)

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
        another interval than 80 % are left empty, since the columns name 80 %.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(row, model_versions[row.run_id]) for row in estimates)
    # Excel takes UTF-8 for the local code page unless the file starts with the mark.
    return text.getvalue().encode("utf-8-sig")


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
    )


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
