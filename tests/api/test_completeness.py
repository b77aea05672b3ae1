"""What of a county's scenes is there, over HTTP."""

from datetime import UTC, date, datetime
from pathlib import Path

import shapely
from fastapi.testclient import TestClient

from api.app import create_app
from ingest.archive import Archive
from ingest.offer import BandOffer, Found, SceneOffer, Wanted
from ingest.searches import record_search
from store import Store
from tests.api.problem_contract import assert_problem

COUNTY = "220322"
EVERYWHERE = shapely.box(120, 40, 132, 47)


def _offer(item_id: str, moment: datetime) -> SceneOffer:
    return SceneOffer(
        source="earth-search",
        collection="sentinel-2-c1-l2a",
        item_id=item_id,
        acquired=moment,
        footprint=EVERYWHERE,
        bands={"SCL": BandOffer("SCL", "https://example.org/SCL.tif", 0)},
        properties={"grid:code": "MGRS-51TXJ"},
    )


def test_dekads_that_were_searched_say_what_is_missing(
    filled_store: Store, own_archive: Archive, tmp_path: Path
) -> None:
    wanted = Wanted(EVERYWHERE, date(2031, 6, 1), date(2031, 6, 30))
    found = Found((_offer("one", datetime(2031, 6, 5, 3, tzinfo=UTC)),))
    later = datetime(2032, 1, 1, tzinfo=UTC)
    name = "sentinel-2-c1-l2a"
    record_search(tmp_path, "es", wanted, found, collection=name, now=later)
    app = create_app(store=filled_store, archive=own_archive, searches=tmp_path)
    answer = TestClient(app).get(f"/completeness?county={COUNTY}&year=2031").json()
    dekads = {row["start"]: row for row in answer["dekads"]}
    assert len(dekads) == 21
    assert dekads["2031-06-01"] == {
        "start": "2031-06-01",
        "end": "2031-06-10",
        "expected": 1,
        "cloudy": 0,
        "present": 0,
        "missing": ["one"],
        "clear_share": None,
        "complete": False,
        "simulated": False,
    }
    assert dekads["2031-06-11"]["complete"] is True
    assert dekads["2031-07-01"]["expected"] is None


def test_an_unknown_county_is_a_problem(
    filled_store: Store, own_archive: Archive
) -> None:
    client = TestClient(create_app(store=filled_store, archive=own_archive))
    answer = client.get("/completeness?county=999999&year=2026")
    assert_problem(answer, 404, "County unknown", "999999")
