"""A source from the search to the file in the archive's form."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from shapely.geometry import Polygon, box

from ingest.http import Web
from ingest.offer import Source, Wanted
from ingest.source_errors import SourceDenied
from ingest.stac_api import (
    COPERNICUS,
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    PROVIDERS,
    StacSource,
)
from ingest.stac_api.errors import SearchIncomplete, WantedInvalid
from raster.cog import write_cog
from tests.ingest.builders import gradient, utm_grid
from tests.ingest.stac_api import items
from tests.ingest.stac_api.items import FIELD, TILE
from tests.ingest.stac_api.server import StandIn
from tests.ingest.wording import english

WANTED = Wanted(FIELD, date(2025, 6, 1), date(2025, 6, 30), bands=("R",))


@pytest.fixture
def source(server: StandIn, web: Web) -> StacSource:
    return StacSource(EARTH_SEARCH, url=server.api_url, web=web)


def test_offers_come_by_time_with_all_bands(
    server: StandIn, source: StacSource
) -> None:
    server.api.items = [items.earth_search(f"2025-06-{n:02}") for n in (21, 1, 11)]
    found = source.search(WANTED)
    assert [offer.item_id for offer in found.offers] == [
        "S2B_T51TXK_20250601T023552_L2A",
        "S2B_T51TXK_20250611T023552_L2A",
        "S2B_T51TXK_20250621T023552_L2A",
    ]
    assert {*found.offers[0].bands} == {"B04", "B08", "B11", "SCL"}
    assert (found.refused, found.cloudy, found.beside) == ((), (), 0)
    assert english(found.notes[0]) == "3 scenes, as the server counts"


def test_scene_beside_the_true_place_is_left_out(
    server: StandIn, source: StacSource
) -> None:
    # 30 m off: inside the outline, outside the field.
    beside = box(FIELD.bounds[2] + 0.0003, 43.2, 126.5, 44.2)
    touching = box(FIELD.bounds[2], 43.2, 126.5, 44.2)
    server.api.items = [
        items.earth_search("2025-06-01", place=beside),
        items.earth_search("2025-06-02", place=touching),
    ]
    found = source.search(WANTED)
    assert [offer.acquired.day for offer in found.offers] == [2]
    assert found.beside == 1
    assert english(found.notes[1]) == (
        "1 scenes beside the place or time were left out: "
        "S2B_T51TXK_20250601T023552_L2A"
    )


def test_five_scenes_beside_are_named_and_the_others_counted(
    server: StandIn, source: StacSource
) -> None:
    server.api.deaf_to = {"intersects"}
    far = box(10, 50, 11, 51)
    server.api.items = [
        items.earth_search(f"2025-06-{day:02}", place=far) for day in range(1, 8)
    ]
    note = english(source.search(WANTED).notes[1])
    assert note.endswith("S2B_T51TXK_20250605T023552_L2A and 2 more")
    assert note.count("S2B_") == 5


def test_item_of_another_collection_is_refused_by_name(
    server: StandIn, source: StacSource
) -> None:
    server.api.deaf_to = {"collections"}
    server.api.items = [items.earth_search(), items.earth_search_old("2025-06-03")]
    found = source.search(WANTED)
    assert len(found.offers) == 1
    assert [one.item_id for one in found.refused] == ["S2A_51TXK_20250603_0_L2A"]
    assert "is of collection sentinel-2-l2a" in english(found.refused[0].reason)


def test_geometry_beside_its_own_pixels_is_refused_not_beside(
    server: StandIn, source: StacSource
) -> None:
    server.api.deaf_to = {"intersects"}
    shifted = items.earth_search(place=box(127.0, 43.4, 127.9, 44.0))
    shifted["properties"]["proj:bbox"] = [630_000, 4_788_000, 739_800, 4_897_800]
    server.api.items = [shifted]
    found = source.search(WANTED)
    assert [one.item_id for one in found.refused] == [shifted["id"]]
    assert found.beside == 0


@pytest.mark.parametrize(("deaf_to", "beside"), [("intersects", 1), ("datetime", 2)])
def test_server_that_ignores_the_question_is_no_harm(
    server: StandIn, source: StacSource, deaf_to: str, beside: int
) -> None:
    server.api.deaf_to = {deaf_to}
    server.api.items = [
        items.earth_search("2025-06-01"),
        items.earth_search("2025-06-02", place=box(10, 50, 11, 51)),
        items.earth_search("2025-05-31"),
        items.earth_search("2025-07-01"),
    ]
    found = source.search(WANTED)
    assert [offer.acquired.day for offer in found.offers] == [1]
    assert found.beside == beside
    assert found.refused == ()


def test_cloud_is_counted_and_the_limit_itself_is_clear_enough(
    server: StandIn, source: StacSource
) -> None:
    server.api.items = [
        items.earth_search("2025-06-01", cloud=20.0),
        items.earth_search("2025-06-02", cloud=20.1),
        items.earth_search("2025-06-03", cloud=0.0),
    ]
    found = source.search(replace(WANTED, max_cloud=20))
    assert [offer.acquired.day for offer in found.offers] == [1, 3]
    assert [offer.item_id for offer in found.cloudy] == [
        "S2B_T51TXK_20250602T023552_L2A"
    ]


def test_scene_of_unknown_cloud_is_offered(server: StandIn, source: StacSource) -> None:
    feature = items.earth_search()
    del feature["properties"]["eo:cloud_cover"]
    server.api.items = [feature]
    assert source.search(replace(WANTED, max_cloud=0)).offers[0].cloud_cover is None


def _no_geometry(feature: dict[str, object]) -> None:
    feature |= {"geometry": None, "bbox": None}


def _no_datetime(feature: dict[str, object]) -> None:
    feature["properties"] = {"platform": "sentinel-2b"}


def _no_offset(feature: dict[str, object]) -> None:
    feature["assets"] = items.earth_search(offset=None)["assets"]


def _no_baseline(feature: dict[str, object]) -> None:
    feature["properties"] = items.earth_search(baseline=None)["properties"]


def _no_band(feature: dict[str, object]) -> None:
    feature["assets"] = {"scl": items.earth_search()["assets"]["scl"]}


def _assets(feature: dict[str, object], name: str, value: object) -> None:
    assets = items.earth_search()["assets"]
    feature["assets"] = {key: asset | {name: value} for key, asset in assets.items()}


def _raster(feature: dict[str, object], nodata: object) -> None:
    band = {"scale": 0.0001, "offset": -0.1, "nodata": nodata}
    _assets(feature, "raster:bands", [band])


def _no_type(feature: dict[str, object]) -> None:
    feature["type"] = "Feat"


def _no_id(feature: dict[str, object]) -> None:
    del feature["id"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_no_geometry, "no geometry"),
        (_no_datetime, "no STAC item with a date"),
        (_no_offset, "offset missing"),
        (_no_baseline, "no processing baseline"),
        (_no_band, "no asset B04"),
        (_no_id, "no id"),
        (
            partial(_assets, name="proj:transform", value=["a", 0, 0]),
            "proj:transform ['a'",
        ),
        (
            partial(_assets, name="proj:transform", value=[None] * 6),
            "proj:transform [None",
        ),
        (
            partial(_assets, name="href", value="http://[bad/x.tif"),
            "cannot be read over HTTP",
        ),
        (
            partial(_assets, name="href", value="http:///x.tif"),
            "cannot be read over HTTP",
        ),
        (
            partial(_assets, name="href", value="http://a.example:99999/x"),
            "cannot be read over HTTP",
        ),
        (_no_type, "no STAC item"),
        (partial(_raster, nodata="abc"), "nodata 'abc'"),
        (partial(_raster, nodata=[1]), "nodata [1]"),
        (partial(_raster, nodata="nan"), "of uint16 with nodata 'nan'"),
        (partial(_raster, nodata=70000), "of uint16 with nodata 70000"),
        (partial(_raster, nodata=-1), "of uint16 with nodata -1"),
        (partial(_raster, nodata=0.5), "of uint16 with nodata 0.5"),
        (partial(_assets, name="bands", value=[{"nodata": "abc"}]), "nodata 'abc'"),
    ],
)
def test_item_that_cannot_be_used_is_refused_by_name_and_the_rest_goes_on(
    server: StandIn,
    source: StacSource,
    spoil: Callable[[dict[str, object]], None],
    why: str,
) -> None:
    bad = items.earth_search("2025-06-05") | {"id": "BAD"}
    spoil(bad)
    server.api.items = [items.earth_search("2025-06-01")]
    server.api.odd_items = [bad]
    found = source.search(WANTED)
    assert len(found.offers) == 1
    assert [one.item_id for one in found.refused] == [
        "BAD" if "id" in bad else "item 2, without an id"
    ]
    assert why in english(found.refused[0].reason)


def test_both_processings_of_an_acquisition_are_offered(
    server: StandIn, web: Web
) -> None:
    first = items.copernicus(baseline="04.00")
    second = items.copernicus(baseline="05.11")
    server.api.items = [first, second]
    found = StacSource(COPERNICUS, url=server.api_url, web=web).search(WANTED)
    assert [o.properties["processing:version"] for o in found.offers] == [
        "04.00",
        "05.11",
    ]


def test_composite_counts_if_any_of_its_days_is_wanted(
    server: StandIn, web: Web
) -> None:
    server.api.count = None
    server.api.items = [
        items.modis(start) for start in ("2025-05-09", "2025-05-25", "2025-06-26")
    ]
    source = StacSource(
        PLANETARY_COMPUTER, url=server.api_url, collection="modis-13Q1-061", web=web
    )
    found = source.search(WANTED)
    assert [f"{offer.acquired:%m-%d}" for offer in found.offers] == ["05-25", "06-26"]
    assert "does not count them" in english(found.notes[0])


def test_incomplete_search_offers_nothing(server: StandIn, source: StacSource) -> None:
    server.api.items = [items.earth_search()]
    server.api.miscount = 1
    with pytest.raises(SearchIncomplete):
        source.search(WANTED)


@pytest.mark.parametrize(
    "wanted",
    [
        replace(WANTED, end=date(2025, 5, 1)),
        replace(WANTED, bands=("R", "XX")),
        replace(WANTED, where=Polygon()),
    ],
    ids=["dates", "band", "place"],
)
def test_what_cannot_be_wanted_is_not_even_asked(
    server: StandIn, source: StacSource, wanted: Wanted
) -> None:
    with pytest.raises(WantedInvalid) as caught:
        source.search(wanted)
    english(str(caught.value))
    assert server.seen == []


def test_collection_that_no_reader_knows_is_refused() -> None:
    with pytest.raises(WantedInvalid) as caught:
        StacSource(EARTH_SEARCH, collection="naip")
    assert "take one of sentinel-2-c1-l2a, sentinel-2-l2a" in english(str(caught.value))


@pytest.mark.parametrize(
    "url", ["foo", "foo/bar", "ftp://a.example", "http://", "http://[bad", "/etc"]
)
def test_address_that_is_none_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(WantedInvalid) as caught:
        StacSource(EARTH_SEARCH, url=url)
    assert "begins with https:// or http://" in english(str(caught.value))


def test_providers_go_by_the_names_of_their_offers() -> None:
    assert {*PROVIDERS} == {"earth-search", "planetary-computer", "copernicus"}
    for name, provider in PROVIDERS.items():
        source: Source = StacSource(provider)
        assert source.name == name


@pytest.fixture
def signed(server: StandIn, web: Web) -> StacSource:
    """Planetary Computer with one scene whose files lie here, signed."""
    assert server.folder is not None
    grid = utm_grid()
    write_cog(
        server.folder / "B04.tif",
        gradient(),
        grid,
        nodata=0,
        scale=None,
        offset=None,
        overview_resampling="nearest",
    )
    server.require_signature()
    server.api.count = None
    base = f"{server.url}/files"
    server.api.items = [items.planetary_computer(base=base)]
    provider = replace(
        PLANETARY_COMPUTER, token_url=server.sas_url, secured=("http://127.0.0.1",)
    )
    return StacSource(
        provider, url=server.api_url, collection="sentinel-2-l2a", web=web
    )


def test_band_is_fetched_signed_and_described(
    server: StandIn, signed: StacSource, tmp_path: Path
) -> None:
    offer = signed.search(WANTED).offers[0]
    band = signed.fetch(offer, "B04", clip=None, folder=tmp_path)
    assert (band.nodata, band.scale, band.offset) == (0, 0.0001, -0.1)
    with rasterio.open(tmp_path / "B04.tif") as file:
        np.testing.assert_array_equal(file.read(1), gradient())
    assert band.source == server.file_url("B04.tif")
    everything = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    assert b"secret" not in everything


def test_band_refused_for_ever_is_named_without_its_signature(
    server: StandIn, signed: StacSource, tmp_path: Path
) -> None:
    offer = signed.search(WANTED).offers[0]
    server.fail("/files/*", status=403, times=None)
    with pytest.raises(SourceDenied) as caught:
        signed.fetch(offer, "B04", clip=None, folder=tmp_path)
    assert "secret" not in str(caught.value)
    assert len(server.tokens) == 2
    assert not (tmp_path / "B04.tif").exists()


def test_footprint_is_that_of_the_item(server: StandIn, source: StacSource) -> None:
    server.api.items = [items.earth_search()]
    assert shapely.equals(source.search(WANTED).offers[0].footprint, TILE)
