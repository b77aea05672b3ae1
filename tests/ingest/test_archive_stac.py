"""What STAC's own tools say about an archive, in a folder and on object storage."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pystac
import pytest
import shapely
from obstore.store import S3Store
from pystac.stac_io import DefaultStacIO
from pystac.utils import HREF
from pystac.validation.local_validator import get_local_schema_cache

from ingest.archive import Archive, BandData
from tests.ingest.builders import NOON, add, gradient, red_band, red_file, utm_grid


class ObjectIO(DefaultStacIO):
    """Reads what lies on object storage, as STAC's own clients are taught to."""

    def read_text(self, source: HREF, *args: Any, **kwargs: Any) -> str:
        href = str(source)
        if not href.startswith("s3://"):
            return super().read_text(source, *args, **kwargs)
        bucket, _, key = href.removeprefix("s3://").partition("/")
        store = S3Store(bucket, client_options={"allow_http": True})
        return bytes(store.get(key).bytes()).decode()


@pytest.fixture(params=["folder", "objects"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """One item of each kind: a scene, finished files, a composite, a product."""
    if request.param == "folder":
        archive = Archive(tmp_path / "archive")
    else:
        archive = Archive(f"{request.getfixturevalue('bucket')}/archive")
    scl = BandData(gradient().astype("uint8"), utm_grid(), 0)
    add(archive, "scene", bands={"B04": red_band(), "SCL": scl})
    for item_id, acquired, interval in (
        ("files", NOON, None),
        ("composite", None, (NOON, NOON)),
    ):
        archive.add_files(
            collection="files",
            item_id=item_id,
            acquired=acquired,
            geobox=utm_grid(),
            files={"red": red_file(tmp_path / item_id)},
            properties={"platform": "landsat-9", "eo:cloud_cover": 3.5},
            footprint=shapely.box(122.0, 43.0, 123.002, 44.0),
            interval=interval,
        )
    archive.add_product(
        product_id="product",
        kind="test",
        geobox=utm_grid(),
        asset=BandData(gradient(), utm_grid(), None),
        properties={"heitu:year": 2025},
    )
    archive.refresh_links()
    return archive


def _catalog(archive: Archive) -> pystac.Catalog:
    return pystac.Catalog.from_file(
        f"{archive.location}/catalog.json", stac_io=ObjectIO()
    )


def test_every_item_is_found_from_the_catalogue_down(archive: Archive) -> None:
    catalog = _catalog(archive)
    found = {item.id: item for item in catalog.get_items(recursive=True)}
    assert found.keys() == {"scene", "files", "composite", "product"}
    assert {child.id for child in catalog.get_children()} == {
        "files",
        "products",
        "scenes",
    }
    for item in found.values():
        mine = archive.item(str(item.collection_id), item.id)
        item.make_asset_hrefs_absolute()
        assert {key: asset.to_dict() for key, asset in item.assets.items()} == {
            key: asset.to_dict() for key, asset in mine.assets.items()
        }


def _linked(catalog: pystac.Catalog) -> Iterator[pystac.Link]:
    for root, _, items in catalog.walk():
        for owner in (root, *items):
            yield from owner.links


def test_every_link_leads_to_what_it_says(archive: Archive) -> None:
    kinds = {
        "root": pystac.Catalog,
        "parent": pystac.Catalog,
        "child": pystac.Collection,
        "collection": pystac.Collection,
        "item": pystac.Item,
    }
    followed: set[str] = set()
    for link in _linked(_catalog(archive)):
        if link.rel != "self":
            target = ObjectIO().read_stac_object(link.get_absolute_href() or "")
            assert isinstance(target, kinds[link.rel]), link
            followed.add(link.rel)
    assert followed == kinds.keys()


@pytest.fixture
def validate(tmp_path: Path) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    """stac-validator, given the core schemas that come with pystac."""
    known = {}
    for number, (uri, schema) in enumerate(get_local_schema_cache().items()):
        path = tmp_path / f"schema-{number}.json"
        path.write_text(json.dumps(schema))
        known[uri] = str(path)

    def run(content: dict[str, Any]) -> list[dict[str, Any]]:
        from stac_validator.stac_validator import StacValidate

        validator = StacValidate(core=True, schema_map=known)
        validator.validate_dict(content)
        message: list[dict[str, Any]] = validator.message
        return message

    return run


# stac-validator and stac-valid install the same module, each with its own notice.
@pytest.mark.filterwarnings("ignore:.*stac.valid:DeprecationWarning")
def test_stac_validator_finds_no_fault(
    archive: Archive, validate: Callable[[dict[str, Any]], list[dict[str, Any]]]
) -> None:
    stac_io, seen = ObjectIO(), 0
    hrefs = {link.get_absolute_href() for link in _linked(_catalog(archive))}
    for href in hrefs:
        (message,) = validate(stac_io.read_json(str(href)))
        assert message["valid_stac"], message
        seen += 1
    assert seen == 1 + 3 + 4


@pytest.mark.filterwarnings("ignore:.*stac.valid:DeprecationWarning")
def test_stac_validator_would_find_one(
    archive: Archive, validate: Callable[[dict[str, Any]], list[dict[str, Any]]]
) -> None:
    content = ObjectIO().read_json(f"{archive.location}/scenes/scene/scene.json")
    del content["properties"]["datetime"]
    (message,) = validate(content)
    assert not message["valid_stac"]
