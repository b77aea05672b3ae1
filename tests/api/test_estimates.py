import csv
import io

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.csv_table import COLUMNS
from tests.api.problem_contract import assert_problem

MAIZE = {"crop": "maize", "year": "2026"}


def test_estimates_carry_names_interval_and_run(client: TestClient) -> None:
    response = client.get("/estimates", params=MAIZE | {"county": "220322"})
    assert response.json() == {
        "count": 1,
        "estimates": [
            {
                "county": "220322",
                "name_zh": "梨树县",
                "name_en": "Lishu",
                "crop": "maize",
                "year": 2026,
                "measure": "yield",
                "value": 10.25,
                "unit": "t/ha",
                "lower": 9.25,
                "upper": 11.25,
                "interval": 0.8,
                "status": "forecast",
                "reason": None,
                "simulated": True,
                "run_id": "0123456789abcdef",
                "as_of": None,
                "lead": None,
                "lead_days": None,
                "trend": None,
                "mean5": None,
                "rmse": None,
                "rmse_trend": None,
                "rmse_mean5": None,
                "source": None,
                "se": None,
                "area_source": None,
                "issued_at": "2026-09-01T00:00:00Z",
            }
        ],
    }


def test_missing_estimate_has_a_reason_and_no_number(client: TestClient) -> None:
    response = client.get("/estimates", params=MAIZE | {"county": "220323"})
    (row,) = response.json()["estimates"]
    assert row["status"] == "missing"
    assert row["reason"] == "no clear observation"
    assert row["value"] is row["lower"] is row["upper"] is None


def test_without_filters_all_come(client: TestClient) -> None:
    assert client.get("/estimates").json()["count"] == 3


@pytest.mark.parametrize(
    ("f", "accept", "media"),
    [
        (None, "*/*", "application/json"),
        (None, "text/csv", "text/csv; charset=utf-8"),
        (None, "application/json;q=0.1, text/csv", "text/csv; charset=utf-8"),
        ("csv", "application/json", "text/csv; charset=utf-8"),
        ("json", "text/csv", "application/json"),
    ],
)
def test_format_by_parameter_or_header(
    client: TestClient, f: str | None, accept: str, media: str
) -> None:
    params = MAIZE if f is None else MAIZE | {"f": f}
    response = client.get("/estimates", params=params, headers={"Accept": accept})
    assert response.headers["content-type"] == media
    assert "Accept" in response.headers["vary"].split(", ")


def test_csv_is_read_back(client: TestClient) -> None:
    response = client.get("/estimates", params=MAIZE | {"f": "csv"})
    assert response.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["MODEL_VERSION"] == "county-yield-1"
    frame = pd.read_csv(io.BytesIO(response.content), dtype={"REF_AREA": str})
    assert frame["REF_AREA"].tolist() == ["220322", "220323"]
    assert frame["OBS_VALUE"].tolist()[0] == 10.25
    assert frame["OBS_STATUS"].tolist() == ["F", "M"]


def test_csv_is_saved_under_the_name_of_what_was_asked(client: TestClient) -> None:
    response = client.get("/estimates", params=MAIZE | {"f": "csv"})
    assert response.headers["content-disposition"] == (
        'attachment; filename="estimates-maize-2026.csv"'
    )


@pytest.mark.parametrize("path", ["/estimates", "/statistics"])
@pytest.mark.parametrize("code", ["999999", "lishu", "2203", "\x00"])
def test_unknown_county_is_404(client: TestClient, path: str, code: str) -> None:
    response = client.get(path, params={"county": code})
    assert_problem(response, 404, "County unknown", repr(code), "/counties")


def test_year_without_data_names_the_years_that_exist(client: TestClient) -> None:
    response = client.get("/estimates", params={"crop": "maize", "year": 2019})
    assert_problem(
        response,
        404,
        "No data for the year",
        "estimates maize: no data for 2019; years that exist: 2026",
    )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("crop", "wheat", "'maize', 'rice' or 'soybean'"),
        ("f", "xml", "'json' or 'csv'"),
        ("year", "last", "valid integer"),
        ("year", "99999999999", "less than or equal to 2200"),
    ],
)
def test_wrong_parameter_says_which_and_what_is_allowed(
    client: TestClient, name: str, value: str, allowed: str
) -> None:
    response = client.get("/estimates", params={name: value})
    mentions = (f"query parameter {name}: ", allowed, f"given: '{value}'")
    assert_problem(response, 422, "Parameter invalid", *mentions)


def test_statistics_of_past_years(client: TestClient) -> None:
    response = client.get("/statistics", params={"crop": "maize", "county": "220322"})
    assert response.json() == {
        "statistics": [
            {
                "county": "220322",
                "crop": "maize",
                "year": 2025,
                "yield_t_ha": 9.75,
                "area_ha": 120000.0,
                "source": "simulated yearbook",
                "simulated": True,
            }
        ]
    }


def test_run_names_what_it_read(client: TestClient) -> None:
    body = client.get("/runs/0123456789abcdef").json()
    assert body["inputs"] == {"sim-s2-10m-20260715": "1220aa"}
    assert body["model_version"] == "county-yield-1"
    assert body["finished_at"] == "2026-09-01T00:00:09Z"


def test_unknown_run_is_404(client: TestClient) -> None:
    response = client.get("/runs/ffffffffffffffff")
    assert_problem(response, 404, "Run unknown", "ffffffffffffffff")


def test_run_id_of_another_form_is_422(client: TestClient) -> None:
    response = client.get("/runs/latest")
    assert_problem(response, 422, "Parameter invalid", "path parameter run_id")


def test_misspelt_parameter_is_refused(client: TestClient) -> None:
    response = client.get("/estimates?crops=maize")
    assert_problem(
        response,
        422,
        "Parameter invalid",
        "crops",
        "known: as_of, county, crop, f, level",
    )
