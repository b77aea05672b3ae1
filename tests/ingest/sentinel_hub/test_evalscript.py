"""The script of the Process API, run by a JavaScript engine of its own."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from ingest.offer import BandOffer
from ingest.sentinel_hub.evalscript import declared, evalscript, offset_of, outputs
from tests.ingest.sentinel_hub.scenes import ITEM, PATH


def script(*keys: str, offset: float = -0.1, path: str = PATH) -> str:
    bands = [
        BandOffer(key, "", 0, None if key == "SCL" else 0.0001, offset) for key in keys
    ]
    return evalscript(declared(ITEM, bands), keys, path)


def run(source: str, expression: str) -> Any:
    """Evaluate an expression after a script."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node to run JavaScript")
    program = f"{source}\nconsole.log(JSON.stringify({expression}));"
    done = subprocess.run(
        [node, "-"], input=program, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("reflectance", "number"),
    [
        # ESA: reflectance = (number - 1000) / 10000, numbers from 1.
        (-0.0999, 1),
        (-0.05, 500),
        (0.0, 1000),
        (0.0273, 1273),
        (0.02729999, 1273),
        (1.0, 11000),
        (6.4535, 65535),
        (9.9, 65535),
        # The number 0 of the file: no data in this band alone.
        (-0.1, 0),
        (-0.2, 0),
    ],
)
def test_numbers_are_those_of_the_product(reflectance: float, number: int) -> None:
    sample = f"[{{B04: {reflectance}, dataMask: 1}}]"
    assert run(script("B04"), f"evaluatePixel({sample})") == {
        "dataMask": [1],
        "values": [number],
    }


def test_numbers_of_old_baselines_are_not_shifted() -> None:
    answer = run(
        script("B04", offset=0.0), "evaluatePixel([{B04: 0.0273, dataMask: 1}])"
    )
    assert answer["values"] == [273]


def test_bands_keep_their_order_and_classes_their_codes() -> None:
    sample = "[{B11: 0.1, B05: 0.2, SCL: 9, dataMask: 1}]"
    assert run(script("B05", "B11", "SCL"), f"evaluatePixel({sample})") == {
        "dataMask": [1],
        "values": [3000, 2000],
        "SCL": [9],
    }


@pytest.mark.parametrize("samples", ["[]", "[{B05: 0, SCL: 0, dataMask: 0}]"])
def test_no_data_is_zero(samples: str) -> None:
    assert run(script("B05", "SCL"), f"evaluatePixel({samples})") == {
        "dataMask": [0],
        "values": [0],
        "SCL": [0],
    }


def test_setup_asks_for_units_and_types() -> None:
    assert run(script("B05", "SCL"), "setup()") == {
        "input": [
            {
                "bands": ["B05", "SCL", "dataMask"],
                "units": ["REFLECTANCE", "DN", "DN"],
            }
        ],
        "output": [
            {"id": "values", "bands": 1, "sampleType": "UINT16"},
            {"id": "SCL", "bands": 1, "sampleType": "UINT8"},
            {"id": "dataMask", "bands": 1, "sampleType": "UINT8"},
        ],
        "mosaicking": "TILE",
    }


TILES = [
    {"dataPath": PATH},
    {"dataPath": f"{PATH}/"},
    {"dataPath": f"{PATH}1"},
    {"dataPath": PATH.replace("XJ", "XK")},
    {"dataPath": f"s3://EODATA/Sentinel-2/{ITEM}.SAFE/"},
    {"productId": f"{ITEM}.SAFE"},
    {},
]


@pytest.mark.parametrize(
    ("path", "kept"), [(PATH, [0, 1, 4, 5]), (f"{PATH}/", [0, 1, 4, 5]), ("", [4, 5])]
)
def test_only_the_tile_itself_is_used(path: str, kept: list[int]) -> None:
    given = json.dumps({"scenes": {"tiles": TILES}})
    found = run(script("B04", path=path), f"preProcessScenes({given}).scenes.tiles")
    assert found == [TILES[index] for index in kept]


def test_meaning_comes_back_with_the_tiles() -> None:
    tiles = json.dumps({"tiles": [{"dataPath": PATH}]})
    source = script("B04", "SCL") + "const out = {};\n"
    said = run(source, f"(updateOutputMetadata({tiles}, {{}}, out), out.userData)")
    assert said == {
        "tiles": [PATH],
        "product": ITEM,
        "bands": ["B04"],
        "scale": 0.0001,
        "offset": -0.1,
        "nodata": 0,
        "largest": 65535,
    }


def test_classes_alone_have_no_values() -> None:
    assert list(outputs(("SCL",))) == ["SCL", "dataMask"]
    assert run(script("SCL"), "evaluatePixel([{SCL: 4, dataMask: 1}])") == {
        "dataMask": [1],
        "SCL": [4],
    }


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [((2, 14), 0.0), ((3, 1), 0.0), ((4, 0), -0.1), ((5, 11), -0.1), ((), -0.1)],
)
def test_offset_is_that_of_the_baseline(
    baseline: tuple[int, ...], offset: float
) -> None:
    assert offset_of(baseline) == offset
