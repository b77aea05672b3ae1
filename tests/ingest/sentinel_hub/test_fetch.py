"""Pixels: the right ones, in the right place, with the right meaning, paid for once."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from ingest.band import BandFile
from ingest.offer import SceneOffer
from ingest.sentinel_hub import HubTileMissing
from ingest.source_errors import ClipOutside, SourceError
from raster.errors import DiskFull
from raster.selection import scene_of
from tests.ingest.sentinel_hub.scenes import (
    EAST,
    ITEM,
    NORTH,
    OUTLINE,
    PATH,
    SOUTH,
    WEST,
    source_of,
    tile,
    to_degrees,
    wanted,
)
from tests.ingest.sentinel_hub.server import (
    Fault,
    HubServer,
    digital_number,
    scene_class,
)


def offer_of(hub: HubServer, *bands: str) -> SceneOffer:
    (offer,) = source_of(hub).search(wanted(bands=bands or ("R", "N"))).offers
    return offer


def truth(key: str, file: BandFile) -> NDArray[Any]:
    """What ESA's product holds on the grid of a file: 0 outside the footprint."""
    height, width = file.geobox.shape
    pixel = file.geobox.resolution.x
    left, top = file.geobox.boundingbox.left, file.geobox.boundingbox.top
    x, y = np.meshgrid(
        left + (np.arange(width) + 0.5) * pixel, top - (np.arange(height) + 0.5) * pixel
    )
    inside = ~geometry_mask([OUTLINE], (height, width), file.geobox.transform)
    if key == "SCL":
        return np.where(inside, scene_class(x, y, pixel), 0)
    return np.where(inside, digital_number(key, x, y, pixel), 0)


def read(file: BandFile) -> NDArray[Any]:
    with rasterio.open(file.path) as opened:
        array: NDArray[Any] = opened.read(1)
        return array


@pytest.mark.parametrize(
    ("letter", "key", "pixel"),
    [("R", "B04", 10), ("N", "B08", 10), ("S1", "B11", 20), ("A", "B01", 60)],
)
def test_pixels_are_those_of_the_product(
    hub: HubServer, tmp_path: Path, letter: str, key: str, pixel: int
) -> None:
    offer = offer_of(hub, letter)
    file = source_of(hub).fetch(offer, key, clip=None, folder=tmp_path)
    assert file.path == tmp_path / f"{key}.tif"
    assert file.geobox.shape == ((NORTH - SOUTH) // pixel, (EAST - WEST) // pixel)
    np.testing.assert_array_equal(read(file), truth(key, file))


def test_classes_are_those_of_the_product(hub: HubServer, tmp_path: Path) -> None:
    file = source_of(hub).fetch(offer_of(hub), "SCL", clip=None, folder=tmp_path)
    assert (file.dtype, file.scale, file.offset, file.nodata) == (
        "uint8",
        None,
        None,
        0,
    )
    np.testing.assert_array_equal(read(file), truth("SCL", file))


def test_negative_reflectance_survives(hub: HubServer, tmp_path: Path) -> None:
    file = source_of(hub).fetch(offer_of(hub), "B04", clip=None, folder=tmp_path)
    numbers = read(file)
    darkest = numbers[numbers > 0].min()
    assert darkest * 0.0001 - 0.1 == pytest.approx(-0.0999, abs=0.0005)
    assert (file.scale, file.offset) == (0.0001, -0.1)


def test_file_stands_on_the_grid_of_the_tile(hub: HubServer, tmp_path: Path) -> None:
    file = source_of(hub).fetch(offer_of(hub), "B04", clip=None, folder=tmp_path)
    with rasterio.open(file.path) as opened:
        assert opened.crs.to_epsg() == 32651
        assert tuple(opened.transform)[:6] == (10, 0, WEST, 0, -10, NORTH)
        assert opened.nodata == 0
        assert opened.profile["compress"] == "zstd"


def test_clip_takes_whole_pixels_around_the_place(
    hub: HubServer, tmp_path: Path
) -> None:
    field = shapely.box(WEST + 3125, SOUTH + 1005, WEST + 4333, SOUTH + 2000)
    clip = to_degrees(field).bounds
    file = source_of(hub).fetch(offer_of(hub), "B04", clip=clip, folder=tmp_path)
    box = file.geobox.boundingbox
    assert shapely.box(*box.bbox).contains(field)
    assert [side % 60 for side in box.bbox] == [0, 0, 0, 0]
    assert shapely.box(*box.bbox).area < 1.4 * field.area
    np.testing.assert_array_equal(read(file), truth("B04", file))


def test_place_beside_the_tile_is_named(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ClipOutside, match=ITEM):
        source_of(hub).fetch(
            offer_of(hub), "B04", clip=(120.0, 40.0, 120.1, 40.1), folder=tmp_path
        )


def test_requests_stay_within_the_limit_and_cover_each_pixel_once(
    hub: HubServer, tmp_path: Path
) -> None:
    source_of(hub).fetch(offer_of(hub), "B04", clip=None, folder=tmp_path)
    sizes = [(one["output"]["width"], one["output"]["height"]) for one in asked(hub)]
    assert sorted(sizes) == sorted(
        [(256, 256), (256, 256), (208, 256), (256, 224), (256, 224), (208, 224)]
    )
    boxes = [shapely.box(*one["input"]["bounds"]["bbox"]) for one in asked(hub)]
    whole = shapely.box(WEST, SOUTH, EAST, NORTH)
    assert shapely.union_all(boxes).equals(whole)
    assert sum(box.area for box in boxes) == whole.area


def asked(hub: HubServer) -> list[Any]:
    return hub.seen["process"]


def test_what_lies_outside_the_footprint_is_not_asked_for(
    hub: HubServer, tmp_path: Path
) -> None:
    corner = shapely.Polygon([(WEST, SOUTH), (EAST, SOUTH), (EAST, SOUTH + 4740)])
    hub.tiles = [tile(outline=corner)]
    offer = offer_of(hub)
    source = source_of(hub, piece_size=96)
    file = source.fetch(offer, "B04", clip=None, folder=tmp_path)
    # 8 x 5 pieces of 960 m; the triangle is half of the ground.
    assert 8 * 5 / 2 < len(asked(hub)) < 8 * 5 - 3
    numbers = read(file)
    assert numbers[0, 0] == 0
    assert numbers[-2, -2] > 0


def test_bands_of_one_pixel_size_are_paid_for_together(
    hub: HubServer, tmp_path: Path
) -> None:
    offer, source = offer_of(hub, "B", "R", "N"), source_of(hub)
    for key in ("B02", "B04", "B08"):
        source.fetch(offer, key, clip=None, folder=tmp_path)
    assert len(asked(hub)) == 6
    assert '"bands": ["B02", "B04", "B08", "dataMask"]' in asked(hub)[0]["evalscript"]


def test_answers_go_when_the_last_of_their_bands_is_written(
    hub: HubServer, tmp_path: Path
) -> None:
    offer, source = offer_of(hub), source_of(hub)
    source.fetch(offer, "B04", clip=None, folder=tmp_path)
    assert (tmp_path / ".hub-10m").is_dir()
    source.fetch(offer, "B08", clip=None, folder=tmp_path)
    source.fetch(offer, "SCL", clip=None, folder=tmp_path)
    # Nor does the library leave anything where it keeps its configuration.
    assert {path.name for path in tmp_path.iterdir()} == {
        "B04.tif",
        "B08.tif",
        "SCL.tif",
    }


def test_threads_do_not_pay_twice(hub: HubServer, tmp_path: Path) -> None:
    offer, source = offer_of(hub, "B", "G", "R", "N"), source_of(hub)
    keys = ("B02", "B03", "B04", "B08")
    with ThreadPoolExecutor(4) as pool:
        files = list(
            pool.map(
                lambda key: source.fetch(offer, key, clip=None, folder=tmp_path), keys
            )
        )
    assert len(asked(hub)) == 6
    for key, file in zip(keys, files, strict=True):
        np.testing.assert_array_equal(read(file), truth(key, file))


def test_cut_line_goes_on_with_the_missing_pieces(
    hub: HubServer, tmp_path: Path
) -> None:
    offer = offer_of(hub)
    hub.fail("process", Fault())
    hub.fail("process", Fault())
    hub.fail("process", Fault(status=503), times=3)
    with pytest.raises(SourceError):
        source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    assert not (tmp_path / "B04.tif").exists()
    hub.seen.clear()
    file = source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    assert len(asked(hub)) == 4
    np.testing.assert_array_equal(read(file), truth("B04", file))


def test_answer_damaged_on_disk_is_asked_for_again(
    hub: HubServer, tmp_path: Path
) -> None:
    offer = offer_of(hub)
    source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    kept = sorted((tmp_path / ".hub-10m").iterdir())[0]
    kept.write_bytes(kept.read_bytes()[:700])
    with pytest.raises(SourceError):
        source_of(hub).fetch(offer, "B08", clip=None, folder=tmp_path)
    file = source_of(hub).fetch(offer, "B08", clip=None, folder=tmp_path)
    assert len(asked(hub)) == 7
    np.testing.assert_array_equal(read(file), truth("B08", file))


def test_full_disk_leaves_nothing_half_written(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    offer = offer_of(hub)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_other_clip_does_not_take_the_kept_answers(
    hub: HubServer, tmp_path: Path
) -> None:
    offer = offer_of(hub)
    source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    # Its first piece has the same rows and columns of another grid.
    clip = to_degrees(shapely.box(WEST + 1800, SOUTH, EAST, NORTH - 1200)).bounds
    file = source_of(hub).fetch(offer, "B08", clip=clip, folder=tmp_path)
    np.testing.assert_array_equal(read(file), truth("B08", file))


def test_neighbour_of_the_same_minute_is_left_out(
    hub: HubServer, tmp_path: Path
) -> None:
    other = tile(ITEM.replace("T51TXJ", "T51TXK"), data_path=PATH.replace("XJ", "XK"))
    hub.tiles = [other, tile()]
    offer = next(
        one for one in source_of(hub).search(wanted()).offers if one.item_id == ITEM
    )
    file = source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    np.testing.assert_array_equal(read(file), truth("B04", file))


def test_time_of_a_request_is_that_of_the_acquisition(
    hub: HubServer, tmp_path: Path
) -> None:
    offer = offer_of(hub)
    source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    (data,) = asked(hub)[0]["input"]["data"]
    assert data["dataFilter"]["timeRange"] == {
        "from": "2024-06-20T02:30:11Z",
        "to": "2024-06-20T02:34:11Z",
    }
    assert data["processing"]["harmonizeValues"] is False


def test_product_is_found_by_its_name_where_paths_hold_it(
    hub: HubServer, tmp_path: Path
) -> None:
    # As the Copernicus Data Space has it.
    where = f"s3://EODATA/Sentinel-2/MSI/L2A/2024/06/20/{ITEM}.SAFE"
    hub.tiles = [tile(f"{ITEM}.SAFE", data_path=where)]
    offer = offer_of(hub)
    assert offer.item_id == ITEM
    file = source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    np.testing.assert_array_equal(read(file), truth("B04", file))


def test_product_that_the_service_lost_is_named(hub: HubServer, tmp_path: Path) -> None:
    offer = offer_of(hub)
    hub.tiles = []
    with pytest.raises(HubTileMissing, match="0 tiles"):
        source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)


def test_band_that_was_not_offered_is_named(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(HubTileMissing, match="B12"):
        source_of(hub).fetch(offer_of(hub), "B12", clip=None, folder=tmp_path)


@pytest.mark.parametrize(
    ("baseline", "offset"), [("N0510", -0.1), ("N0400", -0.1), ("N0214", 0.0)]
)
def test_season_believes_the_calibration(
    hub: HubServer, tmp_path: Path, baseline: str, offset: float
) -> None:
    hub.tiles = [tile(ITEM.replace("N0510", baseline))]
    offer, source = offer_of(hub), source_of(hub)
    files = {
        key: source.fetch(offer, key, clip=None, folder=tmp_path) for key in offer.bands
    }
    np.testing.assert_array_equal(read(files["B04"]), truth("B04", files["B04"]))
    scene = scene_of(item_of(offer, files), ("R", "N"))
    calibration = scene.bands["R"].calibration
    assert calibration is not None
    assert (calibration.scale, calibration.offset) == (0.0001, offset)
    assert scene.mask_kind == "SCL"
    assert scene.bands["R"].nodata == 0


def item_of(offer: SceneOffer, files: dict[str, BandFile]) -> pystac.Item:
    item = pystac.Item(
        id=offer.item_id,
        geometry=shapely.geometry.mapping(offer.footprint),
        bbox=list(offer.footprint.bounds),
        datetime=offer.acquired,
        properties=json.loads(json.dumps(dict(offer.properties))),
        collection=offer.collection,
    )
    for key, file in files.items():
        meaning = {"nodata": file.nodata, "scale": file.scale, "offset": file.offset}
        told = {name: value for name, value in meaning.items() if value is not None}
        item.add_asset(
            key, pystac.Asset(str(file.path), extra_fields={"raster:bands": [told]})
        )
    return item


def test_coarser_resolution_asks_for_one_grid(hub: HubServer, tmp_path: Path) -> None:
    offer, source = offer_of(hub), source_of(hub, resolution=20.0)
    for key in offer.bands:
        file = source.fetch(offer, key, clip=None, folder=tmp_path)
        assert file.geobox.resolution.x == 20
    assert len(asked(hub)) == 2
