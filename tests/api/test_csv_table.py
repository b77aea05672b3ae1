import csv
import io
from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest

from api.csv_table import estimates_csv
from api.schemas import Estimate, Status

FORECAST = Estimate(
    county="220322",
    name_zh="梨树县",
    name_en="Lishu",
    crop="maize",
    year=2026,
    measure="yield",
    value=10.25,
    unit="t/ha",
    lower=9.5,
    upper=11.0,
    interval=0.8,
    status="forecast",
    reason=None,
    simulated=True,
    run_id="0123456789abcdef",
    as_of=date(2026, 8, 31),
    lead="august",
    lead_days=30,
    trend=9.5,
    mean5=9.25,
    rmse=0.4,
    rmse_trend=0.5,
    rmse_mean5=0.6,
    issued_at=datetime(2026, 9, 1, 8, 30, tzinfo=timezone(timedelta(hours=8))),
)

MISSING = FORECAST.model_copy(
    update={
        "value": None,
        "lower": None,
        "upper": None,
        "status": "missing",
        "reason": "no clear observation",
    }
)

VERSIONS = {"0123456789abcdef": "county-yield-1"}


def test_table_is_written_to_the_byte() -> None:
    text = (
        "DATAFLOW,REF_AREA,CROP,TIME_PERIOD,FREQ,MEASURE,OBS_VALUE,UNIT_MEASURE,"
        "OBS_STATUS,LOWER_80,UPPER_80,MODEL_VERSION,ISSUED_AT,RUN,SIMULATED,"
        "NAME_ZH,NAME_EN,COMMENT,AS_OF,LEAD_DAYS,TREND,MEAN_5,RMSE,RMSE_TREND,"
        "RMSE_MEAN_5,SOURCE,STANDARD_ERROR,AREA_SOURCE\r\n"
        "COUNTY_ESTIMATES,220322,maize,2026,A,yield,10.25,t/ha,F,9.5,11.0,"
        "county-yield-1,2026-09-01T00:30:00Z,0123456789abcdef,true,梨树县,Lishu,,"
        "2026-08-31,30,9.5,9.25,0.4,0.5,0.6,,,\r\n"
    )
    assert estimates_csv([FORECAST], VERSIONS) == b"\xef\xbb\xbf" + text.encode()


def test_missing_value_is_an_empty_cell_with_status_m() -> None:
    frame = pd.read_csv(io.BytesIO(estimates_csv([FORECAST, MISSING], VERSIONS)))
    assert frame["OBS_STATUS"].tolist() == ["F", "M"]
    assert frame["OBS_VALUE"].isna().tolist() == [False, True]
    assert frame["UPPER_80"].isna().tolist() == [False, True]
    assert frame["COMMENT"].tolist()[1] == "no clear observation"


@pytest.mark.parametrize(
    ("status", "code"),
    [("forecast", "F"), ("provisional", "P"), ("final", "A"), ("missing", "M")],
)
def test_status_is_an_sdmx_code(status: Status, code: str) -> None:
    row = FORECAST.model_copy(update={"status": status})
    text = estimates_csv([row], VERSIONS).decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(text)))["OBS_STATUS"] == code


def test_bounds_of_another_interval_are_not_called_80_percent() -> None:
    row = FORECAST.model_copy(update={"interval": 0.9})
    text = estimates_csv([row], VERSIONS).decode("utf-8-sig")
    cells = next(csv.DictReader(io.StringIO(text)))
    assert (cells["LOWER_80"], cells["UPPER_80"]) == ("", "")


def test_no_rows_are_a_header_line() -> None:
    text = estimates_csv([], {}).decode("utf-8-sig")
    assert text.startswith("DATAFLOW,")
    assert text.count("\r\n") == 1


def test_issue_time_in_utc_is_kept() -> None:
    row = FORECAST.model_copy(update={"issued_at": datetime(2026, 9, 1, tzinfo=UTC)})
    assert b"2026-09-01T00:00:00Z" in estimates_csv([row], VERSIONS)
