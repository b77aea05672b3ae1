import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from morecantile import Tile
from PIL import Image

from api.app import create_app
from api.tiles import WEB_MERCATOR
from ingest.archive import Archive, BandData
from store import Store
from tests.api import samples
from tests.api.problem_contract import assert_problem

ID = "maize-2026-10m"
EAST, WEST = (32, 60), (32, 3)

# Ends of ColorBrewer's YlGn, as matplotlib gives them.
PALE, DARK = (255, 255, 229, 255), (0, 69, 41, 255)


def tile_path(zoom: int) -> str:
    tile = tile_over(samples.CLEAR, zoom)
    return f"/products/{ID}/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png"


def tile_over(pixel: tuple[int, int], zoom: int) -> Tile:
    place = samples.lonlat(samples.FINE, pixel)
    return WEB_MERCATOR.tile(place["lon"], place["lat"], zoom)


def test_list_describes_what_can_be_drawn(client: TestClient) -> None:
    (product,) = client.get("/products").json()["products"]
    west, south, east, north = product.pop("bbox")
    assert west == pytest.approx(124.295, abs=0.001)
    assert south == pytest.approx(43.301, abs=0.001)
    assert (west < east, south < north) == (True, True)
    assert product == {
        "id": ID,
        "kind": "yield-map",
        "crop": "maize",
        "year": 2026,
        "resolution_m": 10.0,
        "unit": "t/ha",
        "scale": 0.001,
        "range": [4.0, 12.0],
        "colormap": "ylgn",
        "run_id": "0123456789abcdef",
        "simulated": True,
        "title_zh": "2026 年玉米单产（10m）",
        "title_en": "Maize yield 2026, 10m",
        "place": None,
        "period": None,
        "classes": [],
        "accuracy": None,
        "warnings": [],
        "tilejson": f"http://testserver/products/{ID}/tilejson.json",
    }


def test_empty_archive_has_no_products(store: Store, own_archive: Archive) -> None:
    client = TestClient(create_app(store=store, archive=own_archive))
    assert client.get("/products").json() == {"products": []}


def test_tilejson_is_version_3_and_names_the_run(client: TestClient) -> None:
    body = client.get(f"/products/{ID}/tilejson.json").json()
    (product,) = client.get("/products").json()["products"]
    assert body["tilejson"] == "3.0.0"
    assert body["tiles"] == [
        f"http://testserver/products/{ID}/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}.png"
        "?run=0123456789abcdef"
    ]
    assert body["scheme"] == "xyz"
    assert body["bounds"] == product["bbox"]
    assert 0 < body["minzoom"] <= body["maxzoom"] <= 15


def test_tile_address_of_the_tilejson_gives_a_tile(client: TestClient) -> None:
    body = client.get(f"/products/{ID}/tilejson.json").json()
    tile = tile_over(samples.CLEAR, body["maxzoom"])
    response = client.get(body["tiles"][0].format(x=tile.x, y=tile.y, z=tile.z))
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"


def test_tile_shows_the_ends_of_the_colour_map(client: TestClient) -> None:
    response = client.get(tile_path(12))
    image = Image.open(io.BytesIO(response.content))
    assert (image.mode, image.size) == ("RGBA", (256, 256))
    pixels = np.asarray(image)
    colours = {tuple(pixel) for pixel in pixels.reshape(-1, 4).tolist()}
    assert {colour for colour in colours if colour[3]} == {PALE, DARK}
    rows = np.flatnonzero(pixels[..., 3].any(axis=1))
    row = pixels[rows[5]]
    drawn = row[row[:, 3] > 0]
    assert (tuple(drawn[0]), tuple(drawn[-1])) == (PALE, DARK)


def test_pixel_without_data_is_transparent(client: TestClient) -> None:
    tile = tile_over(samples.CLOUDED, 19)
    path = f"/products/{ID}/tiles/WebMercatorQuad/19/{tile.x}/{tile.y}.png"
    pixels = np.asarray(Image.open(io.BytesIO(client.get(path).content)))
    bounds = WEB_MERCATOR.bounds(tile)
    place = samples.lonlat(samples.FINE, samples.CLOUDED)
    row = int((bounds.top - place["lat"]) / (bounds.top - bounds.bottom) * 256)
    column = int((place["lon"] - bounds.left) / (bounds.right - bounds.left) * 256)
    assert pixels[row, column, 3] == 0


def test_tile_of_a_run_is_kept_for_ever_and_any_other_is_not(
    client: TestClient,
) -> None:
    kept = client.get(tile_path(12), params={"run": samples.RUN_ID})
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get(tile_path(12)).headers["cache-control"] == "no-cache"


def test_tile_of_another_run_is_refused(client: TestClient) -> None:
    response = client.get(tile_path(12), params={"run": "ffffffffffffffff"})
    assert_problem(response, 404, "Product replaced", "not ffffffffffffffff")


def test_replaced_product_is_seen_at_once(store: Store, own_archive: Archive) -> None:
    samples.add_yield_map(own_archive, run_id="1" * 16)
    client = TestClient(create_app(store=store, archive=own_archive))
    assert client.get("/products").json()["products"][0]["run_id"] == "1" * 16
    samples.add_yield_map(own_archive, run_id="2" * 16)
    assert client.get("/products").json()["products"][0]["run_id"] == "2" * 16


def test_product_is_seen_as_soon_as_it_is_whole(
    store: Store, own_archive: Archive
) -> None:
    samples.add_yield_map(own_archive)
    final = own_archive.root / "products" / ID
    part = final.rename(final.with_name(f".part-{ID}"))
    client = TestClient(create_app(store=store, archive=own_archive))
    assert client.get("/products").json()["products"] == []
    part.rename(final)
    assert len(client.get("/products").json()["products"]) == 1


def test_tile_beyond_the_product_is_404(client: TestClient) -> None:
    response = client.get(f"/products/{ID}/tiles/WebMercatorQuad/12/0/0.png")
    assert_problem(response, 404, "Tile outside bounds", "TileJSON")


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("tiles/WebMercatorQuad/25/0/0.png", "z"),
        ("tiles/WebMercatorQuad/12/0/0.jpg", "format"),
        ("tiles/CDB1GlobalGrid/12/0/0.png", "tileMatrixSetId"),
        ("tiles/WebMercatorQuad/12/a/0.png", "x"),
        ("tiles/WebMercatorQuad/12/0/0.png?tilesize=100000", "tilesize"),
    ],
)
def test_tile_parameters_are_narrow(
    client: TestClient, path: str, parameter: str
) -> None:
    response = client.get(f"/products/{ID}/{path}")
    assert_problem(response, 422, "Parameter invalid", f"parameter {parameter}:")


@pytest.mark.parametrize(
    "path", ["tilejson.json", "point?lon=124&lat=43", "tiles/WebMercatorQuad/1/1/0.png"]
)
def test_unknown_product_is_404(client: TestClient, path: str) -> None:
    response = client.get(f"/products/wheat-2026/{path}")
    assert_problem(response, 404, "Product unknown", "'wheat-2026'", "/products")


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fcatalog", "a b", "%00"])
def test_product_id_is_never_a_path(client: TestClient, name: str) -> None:
    response = client.get(f"/products/{name}/tilejson.json")
    assert response.status_code in {404, 422}
    assert response.headers["content-type"] == "application/problem+json"


def test_product_without_a_colour_map_is_not_drawn(client: TestClient) -> None:
    response = client.get("/products/crop-map-10m/tilejson.json")
    assert_problem(response, 404, "Product unknown", "'crop-map-10m'")


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [
        (WEST, {"value": 4.0, "unit": "t/ha", "status": "ok"}),
        (EAST, {"value": 12.0, "unit": "t/ha", "status": "ok"}),
        (samples.CLOUDED, {"value": None, "unit": "t/ha", "status": "no-data"}),
    ],
)
def test_value_at_a_point(
    client: TestClient, pixel: tuple[int, int], expected: dict[str, object]
) -> None:
    place = samples.lonlat(samples.FINE, pixel)
    found = client.get(f"/products/{ID}/point", params=place).json()
    assert found == expected | {"name_en": None, "name_zh": None}


def test_point_outside_the_product_is_404(client: TestClient) -> None:
    response = client.get(f"/products/{ID}/point", params={"lon": 120, "lat": 40})
    assert_problem(response, 404, "Point outside", "lon 120.0, lat 40.0")


CLASSES = [
    {"value": 1, "name": "maize", "name_en": "maize", "name_zh": "玉米"}
    | {"colour": "#f2c14e"},
    {"value": 2, "name": "rice", "name_en": "rice", "name_zh": "水稻"}
    | {"colour": "#4d9de0"},
]
_SHARE = {"value": 0.9, "lower": 0.8, "upper": 0.95, "n": 100}
ACCURACY = {
    "method": "cross-validated in blocks of 50 km",
    "independent": False,
    "years": [2026],
    "n": 100,
    "interval": 0.95,
    "classes": ["maize", "rice"],
    "confusion": [[50, 5], [5, 40]],
    "overall": _SHARE,
    "users": [_SHARE, _SHARE],
    "producers": [_SHARE, {"value": None, "lower": None, "upper": None, "n": 0}],
}


def add_crop_map(archive: Archive, **more: object) -> None:
    """Maize in the west, rice in the east, nothing known of the cloud."""
    code = np.ones(samples.FINE.shape, np.uint8)
    code[:, 32:] = 2
    code[samples.CLOUDED] = 255
    archive.add_product(
        product_id="crops-220322-2026",
        kind="crop-classes",
        geobox=samples.FINE,
        asset=BandData(code, samples.FINE, nodata=255),
        properties={
            "title": "Crops of Lishu 2026",
            "heitu:title_zh": "2026 年梨树县作物分布",
            "heitu:year": 2026,
            "heitu:run": samples.RUN_ID,
            "heitu:simulated": True,
            "heitu:unit": "class",
            "heitu:place": "220322",
            "heitu:classes": CLASSES,
            "heitu:warnings": [{"en": "no sample is of 2026", "zh": "没有样本"}],
            **more,
        },
    )


@pytest.fixture
def mapped(store: Store, own_archive: Archive) -> TestClient:
    add_crop_map(own_archive, **{"heitu:accuracy": ACCURACY})
    return TestClient(create_app(store=store, archive=own_archive))


def test_a_crop_map_is_listed_with_classes_and_accuracy(mapped: TestClient) -> None:
    (product,) = mapped.get("/products").json()["products"]
    assert (product["kind"], product["crop"]) == ("crop-classes", None)
    assert (product["place"], product["simulated"]) == ("220322", True)
    assert product["classes"] == CLASSES
    assert product["accuracy"] == ACCURACY
    assert product["warnings"] == [{"en": "no sample is of 2026", "zh": "没有样本"}]


def test_a_crop_map_without_its_accuracy_is_not_shown(
    store: Store, own_archive: Archive
) -> None:
    add_crop_map(own_archive)
    app = create_app(store=store, archive=own_archive)
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/products").json() == {"products": []}
    response = client.get("/products/crops-220322-2026/tilejson.json")
    assert_problem(response, 500, "Product invalid", "heitu:accuracy")


def test_classes_are_drawn_in_their_own_colours(mapped: TestClient) -> None:
    tile = tile_over(samples.CLEAR, 11)
    path = f"tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}.png"
    response = mapped.get(f"/products/crops-220322-2026/{path}")
    drawn = np.array(Image.open(io.BytesIO(response.content)).convert("RGBA"))
    seen = {tuple(map(int, colour)) for colour in drawn.reshape(-1, 4) if colour[3]}
    # No mixture of the two, as an average would give.
    assert seen == {(0xF2, 0xC1, 0x4E, 255), (0x4D, 0x9D, 0xE0, 255)}


def test_a_class_at_a_point_has_its_names(mapped: TestClient) -> None:
    place = samples.lonlat(samples.FINE, EAST)
    found = mapped.get("/products/crops-220322-2026/point", params=place).json()
    assert (found["value"], found["status"]) == (2.0, "ok")
    assert (found["name_zh"], found["name_en"]) == ("水稻", "rice")
