import re
from datetime import UTC, datetime

import pandas as pd
import pystac

from api.lineage import (
    Recipe,
    checksums,
    code_version,
    simulated,
    table_checksum,
)


def _item(item_id: str, checksum: str, *, invented: bool = False) -> pystac.Item:
    item = pystac.Item(
        item_id,
        geometry=None,
        bbox=None,
        datetime=datetime(2026, 7, 1, tzinfo=UTC),
        properties={"heitu:simulated": invented},
    )
    asset = pystac.Asset("B04.tif", extra_fields={"file:checksum": checksum})
    item.add_asset("B04", asset)
    return item


def _recipe(year: int) -> Recipe:
    return Recipe(
        kind="season", inputs={"a": "1"}, parameters={"year": year}, simulated=False
    )


def test_equal_recipes_have_equal_ids() -> None:
    assert _recipe(2026).run_id == _recipe(2026).run_id


def test_another_parameter_is_another_run() -> None:
    assert _recipe(2026).run_id != _recipe(2025).run_id


def test_finished_run_carries_the_recipe() -> None:
    run = _recipe(2026).finished()
    assert (run.kind, run.inputs, run.parameters) == (
        "season",
        {"a": "1"},
        {"year": 2026},
    )
    assert run.started_at <= run.finished_at


def test_checksum_follows_the_pixels() -> None:
    before = checksums([_item("s", "1220aa")])
    assert before == checksums([_item("s", "1220aa")])
    assert before != checksums([_item("s", "1220ab")])


def test_checksum_follows_the_reflectance_offset() -> None:
    plain, shifted = _item("s", "1220aa"), _item("s", "1220aa")
    shifted.assets["B04"].extra_fields["raster:bands"] = [{"offset": -0.1}]
    assert checksums([plain]) != checksums([shifted])


def test_checksum_does_not_follow_the_place() -> None:
    here, there = _item("s", "1220aa"), _item("s", "1220aa")
    there.assets["B04"].href = "/elsewhere/B04.tif"
    assert checksums([here]) == checksums([there])


def test_code_version_names_release_and_code() -> None:
    assert re.fullmatch(r"0\.1\.0\+[0-9a-f]{8}", code_version())


def test_one_simulated_scene_makes_all_simulated() -> None:
    real, invented = _item("r", "1"), _item("s", "2", invented=True)
    assert simulated([real, invented])
    assert not simulated([real])


def test_table_checksum_ignores_the_order_of_rows() -> None:
    table = pd.DataFrame({"county": ["220322", "220184"], "t_ha": [9.1, 9.5]})
    assert table_checksum(table) == table_checksum(table.iloc[::-1])
    assert table_checksum(table) != table_checksum(table.assign(t_ha=[9.1, 9.6]))
