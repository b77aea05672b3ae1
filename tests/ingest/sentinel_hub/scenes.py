"""Products, settings and a clock for the tests of Sentinel Hub."""

from dataclasses import replace
from datetime import date
from threading import Event
from typing import Any

import shapely
from pydantic import SecretStr
from pyproj import Transformer
from shapely.geometry import mapping

from ingest.offer import Wanted
from ingest.sentinel_hub import HubSettings, HubSource, Patience
from tests.ingest.sentinel_hub.server import (
    CLIENT_ID,
    CLIENT_SECRET,
    HubServer,
    Tile,
)

__all__ = ["EAST", "NORTH", "SOUTH", "WEST", "FakeTime", "source_of", "tile", "wanted"]

# Metres in UTM zone 51N; 720 x 480 pixels of 10 m, the north-west corner cut off.
WEST, SOUTH, EAST, NORTH = 600000, 4850400, 607200, 4855200
OUTLINE = shapely.Polygon(
    [
        (WEST + 1200, NORTH),
        (WEST, NORTH - 2400),
        (WEST, SOUTH),
        (EAST, SOUTH),
        (EAST, NORTH),
    ]
)
ITEM = "S2B_MSIL2A_20240620T022529_N0510_R046_T51TXJ_20240620T052233"
PATH = "s3://sentinel-s2-l2a/tiles/51/T/XJ/2024/6/20/0"


def to_degrees(geometry: shapely.Geometry, epsg: int = 32651) -> shapely.Geometry:
    transformer = Transformer.from_crs(epsg, 4326, always_xy=True)
    return shapely.transform(geometry, transformer.transform, interleaved=False)


def tile(item_id: str = ITEM, **changes: Any) -> Tile:
    """One product; `outline` is its footprint in metres of zone 51N."""
    outline = changes.pop("outline", OUTLINE)
    usual = Tile(
        item_id=item_id,
        acquired="2024-06-20T02:32:11Z",
        footprint=outline,
        epsg=32651,
        geometry=mapping(to_degrees(outline)),
        data_path=PATH,
    )
    return replace(usual, **changes)


def wanted(**changes: Any) -> Wanted:
    usual = Wanted(
        where=to_degrees(OUTLINE), start=date(2024, 6, 1), end=date(2024, 6, 30)
    )
    return replace(usual, **changes)


class FakeTime(Event):
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        self.slept.append(timeout or 0.0)
        self.now += timeout or 0.0
        return self.is_set()


def settings_of(hub: HubServer, secret: str = CLIENT_SECRET) -> HubSettings:
    return HubSettings(
        client_id=CLIENT_ID,
        client_secret=SecretStr(secret),
        base_url=hub.url,
        token_url=hub.token_url,
    )


def source_of(
    hub: HubServer,
    time: FakeTime | None = None,
    *,
    secret: str = CLIENT_SECRET,
    **more: Any,
) -> HubSource:
    time = time or FakeTime()
    patience = Patience(tries=3, timeout=30, stop=time, clock=time.clock)
    options = {"patience": patience, "piece_size": 256, **more}
    return HubSource(settings_of(hub, secret), **options)
