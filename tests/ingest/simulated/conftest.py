from collections.abc import Sequence

import pytest

from ingest.boundaries import jilin_counties
from ingest.simulated import World
from store.counties import County

# 梨树, 双辽, 四平铁西: the window's county, a dry one, a district of 350 km2.
NEIGHBOURS = ("220302", "220322", "220382")


@pytest.fixture(scope="session")
def jilin() -> Sequence[County]:
    return jilin_counties()


@pytest.fixture(scope="session")
def neighbours(jilin: Sequence[County]) -> Sequence[County]:
    return [county for county in jilin if county.code in NEIGHBOURS]


@pytest.fixture(scope="session")
def world(neighbours: Sequence[County]) -> World:
    return World(11, 2026, neighbours, history=4)
