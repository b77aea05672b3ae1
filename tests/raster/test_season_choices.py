"""What a season can be asked for: steps, composites, indices, seasons, missions."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest

from raster.cog import write_cog
from raster.errors import AssetMissing, NoScenes, SettingInvalid
from raster.indices import Index
from raster.season import season
from tests.raster.scenes import grid, write_hls, write_landsat, write_scene

MAY: dict[str, Any] = {"start": date(2026, 5, 1), "end": date(2026, 5, 31)}
HALF: dict[str, Any] = {"red": 1000, "nir": 3000}
NODATA = -32768


@pytest.fixture
def three(tmp_path: Path) -> list[pystac.Item]:
    """NDVI 0.5, 0.25 and 0.8 on the 2nd, 14th and 17th of May."""
    numbers = {"02": (1000, 3000), "14": (3000, 5000), "17": (1000, 9000)}
    return [
        write_scene(tmp_path, f"2026-05-{day}", red=red, nir=nir)
        for day, (red, nir) in numbers.items()
    ]


def pixel(items: list[pystac.Item], **asked: Any) -> Any:
    return season(items, grid(1, 1), **(MAY | asked)).isel(y=0, x=0).compute()


def test_a_month_is_one_composite(three: list[pystac.Item]) -> None:
    result = pixel(three, step="month", variables=["ndvi", "clear_count"])

    assert result.ndvi.values.tolist() == [5000]
    assert result.clear_count.values.tolist() == [3]
    assert str(result.time.values[0])[:10] == "2026-05-01"


def test_steps_of_days_begin_at_the_start(three: list[pystac.Item]) -> None:
    result = pixel(three, step=8, variables=["ndvi"])

    # 1-8, 9-16, 17-24, 25-1 June.
    assert result.ndvi.values.tolist() == [5000, 2500, 8000, NODATA]
    assert str(result.time_bnds.values[-1, 1])[:10] == "2026-06-02"


@pytest.mark.parametrize(("composite", "value"), [("median", 5000), ("max", 8000)])
def test_composites(three: list[pystac.Item], composite: str, value: int) -> None:
    result = pixel(three, step="month", variables=["ndvi"], composite=composite)

    assert result.ndvi.values.tolist() == [value]


def test_the_best_pixel_is_the_clear_one_nearest_the_middle(tmp_path: Path) -> None:
    where = grid(1, 3)
    # The middle of May is the 16th; the scene of the 17th is clear in one pixel.
    items = [
        write_scene(tmp_path, "2026-05-02", red=1000, nir=3000, geobox=where),
        write_scene(
            tmp_path, "2026-05-14", red=3000, nir=5000, geobox=where, scl=[[4, 4, 8]]
        ),
        write_scene(
            tmp_path, "2026-05-17", red=1000, nir=9000, geobox=where, scl=[[4, 9, 9]]
        ),
    ]

    result = season(
        items,
        where,
        **MAY,
        step="month",
        composite="best",
        variables=["ndvi", "red", "clear_count"],
    ).compute()

    assert result.ndvi.values.tolist() == [[[8000, 2500, 5000]]]
    # All of a pixel's values come from one observation.
    assert result.red.values.tolist() == [[[1000, 3000, 1000]]]
    assert result.clear_count.values.tolist() == [[[3, 2, 1]]]


def test_the_best_pixel_never_mixes_two_observations(tmp_path: Path) -> None:
    items = [
        write_scene(tmp_path, "2026-05-16", red=1000, nir=0),
        write_scene(tmp_path, "2026-05-18", red=2000, nir=6000),
    ]

    asked = {"step": "month", "variables": ["red", "nir"]}
    best = pixel(items, composite="best", **asked)
    median = pixel(items, composite="median", **asked)

    # On the 16th the near infrared was not measured.
    assert (best.red.values.tolist(), best.nir.values.tolist()) == ([2000], [6000])
    assert (median.red.values.tolist(), median.nir.values.tolist()) == ([1500], [6000])


def test_an_index_does_not_depend_on_what_else_is_asked(tmp_path: Path) -> None:
    dark = {"B03": (0, grid())}
    item = write_scene(tmp_path, "2026-05-02", **HALF, others=dark)

    # Without green there is no GCVI; NDVI is not lost with it.
    result = pixel([item], step="month", variables=["gcvi", "ndvi"])

    assert result.gcvi.values.tolist() == [NODATA]
    assert result.ndvi.values.tolist() == [5000]


def test_bands_of_20_m_lie_under_those_of_10_m(tmp_path: Path) -> None:
    coarse = grid(2, 2, resolution=20)
    item = write_scene(
        tmp_path,
        "2026-05-02",
        red=1000,
        nir=3000,
        geobox=grid(4, 4),
        scl_geobox=coarse,
        others={"B11": ([[1000, 3000], [2000, 1500]], coarse)},
    )

    where = grid(4, 4)[1:4, 1:4]
    result = season([item], where, **MAY, step="month", variables=["lswi"]).compute()

    # (3000 - 1000) / 4000, 0, 1000 / 5000 and 1500 / 4500.
    assert result.lswi.values.tolist() == [
        [[5000, 0, 0], [2000, 3333, 3333], [2000, 3333, 3333]]
    ]


def test_an_index_of_ones_own_has_its_scale_and_range(tmp_path: Path) -> None:
    item = write_scene(tmp_path, "2026-05-02", **HALF)
    ratio = Index("ratio", "N / R", scale=1e-3, valid=(0, 2.5), long_name="a ratio")

    result = pixel([item], step="month", variables=[ratio])

    # 3 is limited to 2.5.
    assert result.ratio.values.tolist() == [2500]
    assert result.ratio.attrs["scale_factor"] == 1e-3
    assert result.ratio.attrs["long_name"] == "median a ratio"


def test_only_the_bands_of_what_is_asked_are_needed(tmp_path: Path) -> None:
    item = write_scene(tmp_path, "2026-05-02", **HALF)
    del item.assets["B08"]

    assert pixel([item], step="month", variables=["red"]).red.values.tolist() == [1000]
    with pytest.raises(AssetMissing, match="S2_2026-05-02 has no asset B08"):
        pixel([item], step="month", variables=["nir"])


WINTER = (2, 2, 4, 6, 3, 2, 2, 5, 9, 6, 2, 2)


@pytest.fixture
def winter_wheat(tmp_path: Path) -> list[pystac.Item]:
    """A crop that rises in autumn and again in spring: NDVI in tenths, monthly."""
    return [
        write_scene(
            tmp_path,
            f"{2025 if month < 5 else 2026}-{(month + 7) % 12 + 1:02}-15",
            red=500 * (10 - tenths),
            nir=500 * (10 + tenths),
        )
        for month, tenths in enumerate(WINTER)
    ]


YEAR = {"start": date(2025, 8, 1), "end": date(2026, 7, 31), "step": "month"}


def test_a_season_may_cross_the_new_year(winter_wheat: list[pystac.Item]) -> None:
    result = pixel(winter_wheat, **YEAR, smoothing=0)

    # The middle of a month of 30 days is the 16th, as of one of 31.
    peak = date(2025, 8, 1) + timedelta(days=int(result.pos))
    assert peak == date(2026, 4, 16)
    assert result.pos.attrs["units"] == "days since 2025-08-01"
    assert (int(result.peak), int(result.base)) == (9000, 2000)
    assert int(result.los) == int(result.eos) - int(result.sos)
    assert int(result.amplitude) == 7000


def test_two_seasons_stand_in_order_of_time(winter_wheat: list[pystac.Item]) -> None:
    result = pixel(winter_wheat, **YEAR, smoothing=0, seasons=2)

    assert result.pos.dims == ("season",)
    days = [date(2025, 8, 1) + timedelta(days=int(day)) for day in result.pos]
    assert days == [date(2025, 11, 16), date(2026, 4, 16)]
    assert result.peak.values.tolist() == [6000, 9000]
    assert result.season.values.tolist() == [1, 2]


def test_seasons_can_be_sought_in_any_index(winter_wheat: list[pystac.Item]) -> None:
    result = pixel(winter_wheat, **YEAR, smoothing=0, index="nir", variables=["peak"])

    assert set(result.data_vars) == {"peak"}
    # The greatest near infrared is 500 * 19.
    assert int(result.peak) == 9500


def test_clouds_are_grown_by_the_buffer(tmp_path: Path) -> None:
    classes = np.full((5, 5), 4)
    classes[2, 2] = 9
    item = write_scene(
        tmp_path,
        "2026-05-02",
        **HALF,
        geobox=grid(10, 10),
        scl=classes,
        scl_geobox=grid(5, 5, resolution=20),
    )

    def clear(buffer: float, where: Any) -> Any:
        asked = {"variables": ["clear_count"], "cloud_buffer": buffer}
        return season([item], where, **(MAY | asked)).compute().clear_count.values[0]

    # 20 m are one pixel of the classes: the cloud and its four neighbours.
    plus = np.ones((5, 5))
    plus[2, 1:4] = plus[1:4, 2] = 0
    expected = plus.repeat(2, axis=0).repeat(2, axis=1)
    assert clear(0, grid(10, 10)).sum() == 96
    np.testing.assert_array_equal(clear(20, grid(10, 10)), expected)
    # A block that does not hold the cloud is shaded by it all the same.
    np.testing.assert_array_equal(clear(20, grid(10, 10)[:4]), expected[:4])


def test_hls_counts_from_its_own_nodata_and_mask(tmp_path: Path) -> None:
    item = write_hls(
        tmp_path,
        "2026-05-02",
        red=[[1000, -9999, 1000], [1000] * 3, [1000] * 3],
        nir=3000,
        fmask=[[0, 0, 2], [8, 255, 16], [32, 64, 4]],
    )

    result = season(
        [item], grid(), **MAY, step="month", variables=["ndvi", "clear_count"]
    ).compute()

    # Cloud, shadow, fill and snow are not clear; water and aerosol are.
    assert result.clear_count.values[0].tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 0]]
    assert result.ndvi.values[0].tolist() == [
        [5000, NODATA, NODATA],
        [NODATA] * 3,
        [5000, 5000, NODATA],
    ]


def test_landsat_has_its_scale_offset_and_bits(tmp_path: Path) -> None:
    # 0.0000275 * 10909 - 0.2 is 0.1 and 0.0000275 * 18182 - 0.2 is 0.3.
    item = write_landsat(
        tmp_path, "2026-05-02", red=10909, nir=18182, qa=[[21824, 22280, 1]] * 3
    )

    result = pixel_row([item])

    assert result.tolist() == [5000, NODATA, NODATA]


def pixel_row(items: list[pystac.Item]) -> Any:
    lazy = season(items, grid(), **MAY, step="month", variables=["ndvi"])
    return lazy.compute().ndvi.values[0, 0]


def test_two_missions_of_one_day_look_twice(tmp_path: Path) -> None:
    sentinel = write_scene(tmp_path, "2026-05-02", **HALF)
    landsat = write_landsat(tmp_path, "2026-05-02", red=10909, nir=18182)

    result = pixel([sentinel, landsat], step="month", variables=["clear_count"])

    assert result.clear_count.values.tolist() == [2]


def test_a_reprocessed_scene_takes_the_place_of_the_older(tmp_path: Path) -> None:
    tile = {
        "s2:mgrs_tile": "51TXJ",
        "s2:datatake_id": "GS2A_20260502T022601_056502_N05.10",
        "earthsearch:boa_offset_applied": True,
    }
    old = write_scene(
        tmp_path,
        "2026-05-02",
        red=3000,
        nir=5000,
        item_id="S2A_51TXJ_20260502_0_L2A",
        properties=tile | {"s2:processing_baseline": "05.09"},
    )
    new = write_scene(
        tmp_path,
        "2026-05-02",
        **HALF,
        scl=[[4, 9, 9]] * 3,
        item_id="S2A_51TXJ_20260502_1_L2A",
        properties=tile | {"s2:processing_baseline": "05.10"},
    )

    lazy = season(
        [new, old], grid(), **MAY, step="month", variables=["ndvi", "clear_count"]
    )

    # Where the newer one is cloudy the older does not come back.
    assert lazy.compute().ndvi.values[0, 0].tolist() == [5000, NODATA, NODATA]
    assert lazy.compute().clear_count.values[0, 0].tolist() == [1, 0, 0]
    lineage = json.loads(lazy.attrs["lineage"])
    assert lineage["scenes"] == ["S2A_51TXJ_20260502_1_L2A"]
    (left_out,) = lineage["superseded"]
    assert left_out["item"] == "S2A_51TXJ_20260502_0_L2A"
    assert left_out["by"] == "S2A_51TXJ_20260502_1_L2A"


def test_lineage_tells_how_a_season_was_made(three: list[pystac.Item]) -> None:
    lazy = season(three, grid(), **MAY, variables=["evi2"], cloud_buffer=20)

    lineage = json.loads(lazy.attrs["lineage"])

    assert lineage["scenes"] == ["S2_2026-05-02", "S2_2026-05-14", "S2_2026-05-17"]
    assert lineage["parameters"]["cloud_buffer"] == 20
    assert lineage["parameters"]["formulas"].keys() == {"evi2"}


def test_a_step_of_many_observations_gets_smaller_blocks(
    three: list[pystac.Item],
) -> None:
    wide = grid(1100, 1100)

    few = season(three, wide, **MAY, variables=["ndvi"])
    many = season(
        three,
        wide,
        start=date(2020, 1, 1),
        end=date(2026, 12, 31),
        variables=["ndvi", "evi2"],
    )

    assert few.ndvi.chunks is not None
    assert few.ndvi.chunks[1] == (1024, 76)
    assert many.ndvi.chunks is not None
    assert max(many.ndvi.chunks[1]) < 1024


def test_two_indices_of_one_name_are_refused(three: list[pystac.Item]) -> None:
    with pytest.raises(SettingInvalid, match="two indices named 'mine'"):
        pixel(three, variables=[Index("mine", "R"), Index("mine", "N")])


def test_scenes_beside_the_grid_are_no_part_of_the_season(
    three: list[pystac.Item], tmp_path: Path
) -> None:
    far = write_scene(
        tmp_path,
        "2026-05-03",
        **HALF,
        geobox=grid(east=90_000),
        item_id="far",
        properties={"heitu:simulated": True},
    )

    lazy = season([*three, far], grid(), **MAY)

    assert lazy.attrs["simulated"] == 0
    lineage = json.loads(lazy.attrs["lineage"])
    assert "far" not in lineage["scenes"]
    assert lineage["beside_the_grid"] == ["far"]
    with pytest.raises(NoScenes, match="none of the 1 scenes, as far, touches"):
        season([far], grid(), **MAY)


def test_bands_of_two_types_are_one_index(tmp_path: Path) -> None:
    item = write_scene(tmp_path, "2026-05-02", **HALF)
    write_cog(
        Path(item.assets["B08"].href), np.full((3, 3), 3000, np.int16), grid(), nodata=0
    )

    assert pixel([item], step="month", variables=["ndvi"]).ndvi.values.tolist() == [
        5000
    ]


def test_the_best_pixel_weighs_as_much_as_its_step_was_seen(tmp_path: Path) -> None:
    tenths = {"05-02": 5, "05-05": 5, "05-08": 5, "05-15": 8, "05-25": 5, "06-05": 8}
    items = [
        write_scene(tmp_path, f"2026-{day}", red=500 * (10 - n), nir=500 * (10 + n))
        for day, n in tenths.items()
    ]
    asked: dict[str, Any] = {"end": date(2026, 6, 10), "variables": ["ndvi_smooth"]}

    best, median = (
        pixel(items, composite=how, **asked).ndvi_smooth.values.tolist()
        for how in ("best", "median")
    )

    assert best == median
