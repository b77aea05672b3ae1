"""What the archive writes, served as a STAC API and held up to STAC's own tools."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pystac_client
import pytest
from shapely.geometry import mapping

from ingest.archive import Archive
from ingest.plan import make_plan
from ingest.transfer import carry_out
from tests.ingest.small_world import PLACE, SmallWorld, at, source, wanted
from tests.ingest.stac_api.server import StandIn

COLLECTION = "sentinel-2-c1-l2a"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Two scenes as an ingest brings them."""
    folder = tmp_path_factory.mktemp("served")
    world = SmallWorld(folder / "provider")
    items = [world.add("2025-06-01"), world.add("2025-06-11")]
    archive = Archive(folder / "archive")
    with StandIn(world.folder) as provider:
        at(provider, *items)
        found = source(provider).search(wanted())
        plan = make_plan(archive, "earth-search", found, clip=None, letters=("R", "N"))
        carry_out(plan, source(provider), archive, folder=folder / "incoming")
    archive.refresh_links()
    return archive


@pytest.fixture
def server(archive: Archive) -> Iterator[StandIn]:
    items = [item.to_dict() for item in archive.items(COLLECTION)]
    # Those of a folder lead nowhere in an API, which has its own.
    with StandIn(items=[{**item, "links": []} for item in items]) as running:
        yield running


def test_stac_api_validator_has_no_objection(server: StandIn) -> None:
    command = [sys.executable, "-m", "stac_api_validator", "--root-url", server.api_url]
    for conformance in ("core", "item-search"):
        command += ["--conformance", conformance]
    command += ["--collection", COLLECTION, "--geometry", json.dumps(mapping(PLACE))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Errors: none" in done.stdout + done.stderr


def test_pystac_client_finds_the_scenes(server: StandIn) -> None:
    client = pystac_client.Client.open(server.api_url)
    search = client.search(collections=[COLLECTION], intersects=mapping(PLACE))
    assert sorted(item.id for item in search.items()) == [
        "S2B_T51TXK_20250601T023552_L2A",
        "S2B_T51TXK_20250611T023552_L2A",
    ]


# A catalogue of files is no API and names no conformance classes.
@pytest.mark.filterwarnings("ignore::pystac_client.warnings.NoConformsTo")
@pytest.mark.filterwarnings("ignore::pystac_client.warnings.FallbackToPystac")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_pystac_client_reads_the_catalogue_of_the_folder(archive: Archive) -> None:
    catalog = pystac_client.Client.open(f"{archive.location}/catalog.json")
    (item, _) = sorted(catalog.get_all_items(), key=lambda one: one.id)
    assert Path(item.assets["B04"].get_absolute_href() or "").is_file()
