"""Each row of the table, raised in an application of its own."""

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rasterio.errors import RasterioIOError
from rio_tiler.errors import TileOutsideBounds

from api import errors
from api.problems import PROBLEMS, add_problem_handlers
from ingest.errors import (
    ArchiveDenied,
    ArchiveError,
    ArchiveUnreachable,
    BucketMissing,
)
from store import CountyUnknown, DatabaseUnavailable, DeviceUnknown, RunUnknown
from tests.api.problem_contract import assert_problem

SECRET = "postgresql://heitu:secret@10.0.0.1/heitu in /tmp/heitu/postgres"

SHOWN = [
    (CountyUnknown("no county '999999'"), 404, "County unknown", "'999999'"),
    (DeviceUnknown("no device 'x9'"), 404, "Device unknown", "'x9'"),
    (RunUnknown("no run 'abc'"), 404, "Run unknown", "'abc'"),
    (errors.ProductUnknown("p"), 404, "Product unknown", "'p'"),
    (
        errors.ProductRunChanged("p", asked="old", current="new"),
        404,
        "Product replaced",
        "of run new, not old",
    ),
    (errors.ProductInvalid("p", missing="gsd"), 500, "Product invalid", "'gsd'"),
    (
        errors.NoDataForYear("estimates", year=1999, years=[2025, 2024, 2025]),
        404,
        "No data for the year",
        "no data for 1999; years that exist: 2024, 2025",
    ),
    (
        errors.PointOutside("all scenes", lon=1.5, lat=2.5),
        404,
        "Point outside",
        "lon 1.5, lat 2.5",
    ),
    (errors.PeriodInvalid("from b is after to a"), 422, "Period invalid", "after"),
    (errors.SceneFailed("S2_1"), 500, "Scene unreadable", "'S2_1'"),
    (
        errors.GrowthMissing("rice", county="220322", when="2026", known=["2025"]),
        404,
        "Growth not graded",
        "`heitu growth --county 220322 --crop rice --date DATE`",
    ),
    (
        errors.BulletinMissing("rice", county="220322", wanted="zh pdf", known=[]),
        404,
        "Bulletin missing",
        "there is none yet",
    ),
    (errors.PageNotBuilt("run `make page`"), 503, "Page not built", "make page"),
]

HIDDEN = [
    (DatabaseUnavailable(SECRET), 503, "Database unavailable", "does not answer"),
    (psycopg.OperationalError(SECRET), 503, "Database unavailable", "not answer"),
    (ArchiveUnreachable(SECRET), 503, "Archive unavailable", "does not answer"),
    (ArchiveDenied(SECRET), 503, "Archive unavailable", "does not answer"),
    (BucketMissing(SECRET), 503, "Archive unavailable", "does not answer"),
    (ArchiveError(SECRET), 500, "Raster unreadable", "heitu archive verify"),
    (RasterioIOError(SECRET), 500, "Raster unreadable", "heitu archive verify"),
    (TileOutsideBounds(SECRET), 404, "Tile outside bounds", "TileJSON"),
    (RuntimeError(SECRET), 500, "Internal error", "its log says why"),
]


def client_raising(error: Exception) -> TestClient:
    app = FastAPI()
    add_problem_handlers(app)

    @app.get("/broken")
    def broken() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(("error", "status", "title", "mention"), SHOWN)
def test_error_is_told_with_its_own_message(
    error: Exception, status: int, title: str, mention: str
) -> None:
    response = client_raising(error).get("/broken")
    assert_problem(response, status, title, mention)


@pytest.mark.parametrize(("error", "status", "title", "mention"), HIDDEN)
def test_message_of_a_server_fault_stays_in_the_log(
    error: Exception, status: int, title: str, mention: str
) -> None:
    response = client_raising(error).get("/broken")
    assert "secret" not in response.text
    assert_problem(response, status, title, mention)


def test_table_above_covers_every_row() -> None:
    raised = {type(error) for error, *_ in [*SHOWN, *HIDDEN]}
    assert raised - {RuntimeError} == set(PROBLEMS) - {Exception}


def test_type_is_made_from_the_title() -> None:
    body = client_raising(errors.NoDataForYear("x", year=1, years=[])).get("/broken")
    assert body.json()["type"] == "urn:problem-type:heitu:no-data-for-the-year"


def test_wrong_method_keeps_the_allowed_ones() -> None:
    response = client_raising(RuntimeError()).post("/broken")
    assert_problem(response, 405, "Method Not Allowed", "POST /broken")
    assert response.headers["allow"] == "GET"
