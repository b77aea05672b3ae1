from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ingest.ground.errors import ColumnMissing, OptionInvalid, UnitUnknown
from ingest.ground.fates import Intake
from ingest.ground.monitor import length_m, take_monitor
from ingest.ground.vector import read_layer
from store.ground import MonitorPoint
from tests.ingest.ground.builders import places, write_csv
from tests.ingest.wording import english

# 1 bu/ac of corn at 15.5 % in t/ha at 14 %: 56 lb, 4046.856 m2.
BU_AC = 56 * 0.45359237 / 4046.8564224 * 10 * 84.5 / 86


def take(path: Path, swath: str | None = None) -> Intake[MonitorPoint]:
    return take_monitor(
        read_layer(path),
        places(anywhere=True),
        year=2011,
        crop="玉米",
        swath_m=None if swath is None else length_m(swath),
    )


def test_real_logger_file(shared_data: Path) -> None:
    intake = take(shared_data / "yield_monitor" / "gartner.corn.raw.csv")
    points = intake.records
    assert (intake.rows, len(points), len(intake.notes)) == (4949, 4949, 1)
    grain = sum(
        (p.flow_kg_s or 0) * (p.interval_s or 0) * (100 - (p.moisture or 0)) / 84.5
        for p in points
    )
    assert grain / (56 * 0.45359237) == pytest.approx(9027, abs=0.5)
    # 34 points cut less than the header's 30 feet.
    full = [p.swath_m == pytest.approx(9.144) for p in points]
    assert full.count(False) == 34
    assert Counter((p.flag, p.reason) for p in points) == {(2, None): 4949}
    speeds = [p.speed_m_s for p in points if p.speed_m_s is not None]
    assert min(speeds) == pytest.approx(0.92, abs=0.005)
    assert max(speeds) == pytest.approx(2.80, abs=0.005)
    assert points[-1].time_s - points[0].time_s == 16359


def test_real_yields_against_the_published_formula(shared_data: Path) -> None:
    folder = shared_data / "yield_monitor"
    table = pd.read_csv(folder / "gartner.corn.txt", sep="\t")
    pounds = table.mass * table.seconds * (100 - table.moist) / 84.5
    bushels = pounds / 56 / (table.dist * 360 / 6272640)
    intake = take(folder / "gartner.corn.txt", "360in")
    yields = np.array([point.yield_t_ha for point in intake.records], dtype=float)
    np.testing.assert_allclose(yields / BU_AC, bushels, rtol=1e-6)
    assert yields.mean() / BU_AC == pytest.approx(133.5, abs=0.1)
    assert "no column says how wide the cut was" in intake.notes[1]


def test_both_exports_of_a_harvest_are_one(shared_data: Path) -> None:
    folder = shared_data / "yield_monitor"
    known = take(folder / "gartner.corn.raw.csv").records
    layer = read_layer(folder / "gartner.corn.txt")
    again = take_monitor(
        layer, places(anywhere=True), year=2011, swath_m=9.144, known=known
    )
    assert again.stored == ()
    # Where the cut was narrower the two contradict each other.
    assert len(again.problems) == 34


HEADER = "lon,lat,flow_kg_s,interval_s,distance_m,swath_m,moisture_%"


@pytest.mark.parametrize(
    ("cells", "flag", "reason", "tonnes"),
    [
        # 2 kg/s for 1 s on 12 m2 at 20 %: 2/12*10*80/86.
        ("2,1,2,6,20", 2, None, 1.5503876),
        ("0,1,2,6,20", 2, None, 0.0),
        ("2,1,0,6,20", 4, "impossible distance", None),
        ("2,1,-2,6,20", 4, "impossible distance", None),
        ("2,0,2,6,20", 4, "impossible interval", None),
        ("2,1,2,0,61", 4, "impossible swath, moisture", None),
        ("-2,1,2,6,-1", 4, "impossible flow, moisture", None),
        (",1,2,6,20", 9, "no flow", None),
    ],
)
def test_impossible_row_is_flagged_and_kept(
    tmp_path: Path, cells: str, flag: int, reason: str | None, tonnes: float | None
) -> None:
    path = write_csv(tmp_path / "a.csv", HEADER, f"124.5,43.5,{cells}")
    (point,) = take(path).records
    assert (point.flag, point.reason) == (flag, reason)
    assert point.yield_t_ha == (None if tonnes is None else pytest.approx(tonnes))


def test_time_adds_up_without_a_clock(tmp_path: Path) -> None:
    rows = [f"124.{i},43.5,2,3,2,6,20" for i in range(1, 4)]
    points = take(write_csv(tmp_path / "a.csv", HEADER, *rows)).records
    assert [point.time_s for point in points] == [0, 3, 6]
    assert points[0].speed_m_s == pytest.approx(2 / 3)


def test_point_outside_the_province(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", HEADER, "-93.9,43.9,2,1,2,6,20")
    intake = take_monitor(read_layer(path), places(), year=2011)
    assert [(one.row, one.kind) for one in intake.problems] == [(1, "outside")]


def test_unit_is_never_guessed(tmp_path: Path) -> None:
    header = "lon,lat,flow,interval_s,distance_m,swath_m,moisture_%"
    path = write_csv(tmp_path / "a.csv", header, "124.5,43.5,7.2,1,2,6,14")
    with pytest.raises(UnitUnknown, match="'flow' has no unit"):
        take(path)
    layer = read_layer(path)
    intake = take_monitor(layer, places(), year=2011, units={"flow": "t/h"})
    # 7.2 t/h are 2 kg/s.
    assert intake.records[0].yield_t_ha == pytest.approx(2 / 12 * 10)
    with pytest.raises(UnitUnknown, match="'gal/s'"):
        take_monitor(layer, places(), year=2011, units={"flow": "gal/s"})
    with pytest.raises(OptionInvalid, match="colour"):
        take_monitor(layer, places(), year=2011, units={"colour": "m"})


def test_swath_must_be_known(tmp_path: Path) -> None:
    header = "lon,lat,flow_kg_s,interval_s,distance_m,moisture_%"
    path = write_csv(tmp_path / "a.csv", header, "124.5,43.5,2,1,2,20")
    with pytest.raises(ColumnMissing, match="--swath"):
        take(path)


@pytest.mark.parametrize(
    ("text", "metres"), [("360in", 9.144), ("30 ft", 9.144), ("9.1米", 9.1), ("6m", 6)]
)
def test_length(text: str, metres: float) -> None:
    assert length_m(text) == pytest.approx(metres)


@pytest.mark.parametrize("text", ["360", "m", "3 furlong", ""])
def test_length_without_number_or_unit(text: str) -> None:
    with pytest.raises(OptionInvalid):
        length_m(text)


AGRIDAT = "long,lat,mass,time,seconds,dist,moist,elev"
LOGGER = "Longitude,Latitude,Flow,Time,Cycles,Distance,Swath,Moisture,Altitude"
# 0.0001 degree of longitude are 8.07 m here, 318 in.
TRACK = [f"124.500{i},43.5,15,{i},1,318,16,700" for i in range(1, 4)]
METRIC = [f"124.500{i},43.5,7,{i},1,807,610,16,210" for i in range(1, 4)]


def test_unit_in_the_header_is_not_overruled_by_the_export(tmp_path: Path) -> None:
    rows = [f"{row},6.1" for row in TRACK]
    points = take(write_csv(tmp_path / "a.csv", f"{AGRIDAT},swath_m", *rows)).records
    assert [point.swath_m for point in points] == [6.1, 6.1, 6.1]


def test_metric_export_under_imperial_names(tmp_path: Path) -> None:
    layer = read_layer(write_csv(tmp_path / "a.csv", LOGGER, *METRIC))
    with pytest.raises(UnitUnknown, match="--units distance=") as caught:
        take_monitor(layer, places(), year=2011)
    english(str(caught.value))
    # One unit is another than the export's: none of the others is taken for granted.
    with pytest.raises(UnitUnknown, match="'Flow' has no unit"):
        take_monitor(layer, places(), year=2011, units={"distance": "cm"})
    units = {"distance": "cm", "swath": "cm", "flow": "kg/s", "elevation": "m"}
    points = take_monitor(layer, places(), year=2011, units=units).records
    # 7 kg on 8.07 x 6.1 m at 16 %.
    tonnes = 7 / (8.07 * 6.1) * 10 * 84 / 86
    assert [p.yield_t_ha for p in points] == [pytest.approx(tonnes)] * 3


def test_yield_that_no_crop_gives(tmp_path: Path) -> None:
    # 50 kg on 12 m2 are 41.67 t/ha.
    path = write_csv(tmp_path / "a.csv", HEADER, "124.5,43.5,50,1,2,6,14")
    (point,) = take(path).records
    assert (point.flag, point.reason) == (4, "impossible yield")
    assert point.yield_t_ha is None


CLOCKED = f"{HEADER},time_s"


def _rows(*, clock: bool) -> list[str]:
    cells = [f"124.5000{i},43.5,{2 + i / 10},1,2,6,20" for i in range(1, 9)]
    return [f"{row},{500 + i}" if clock else row for i, row in enumerate(cells)]


@pytest.mark.parametrize("clock", [True, False])
def test_overlapping_exports_count_once(tmp_path: Path, clock: bool) -> None:
    header, rows = CLOCKED if clock else HEADER, _rows(clock=clock)
    known = take(write_csv(tmp_path / "a.csv", header, *rows)).records
    part = read_layer(write_csv(tmp_path / "b.csv", header, *rows[4:]))
    again = take_monitor(part, places(), year=2011, crop="maize", known=known)
    assert (again.stored, len(again.duplicates)) == ((), 4)


@pytest.mark.parametrize("clock", [True, False])
def test_mended_row_is_the_only_new_one(tmp_path: Path, clock: bool) -> None:
    header, rows = CLOCKED if clock else HEADER, _rows(clock=clock)
    broken = [rows[0].replace("124.50001", "?"), *rows[1:]]
    known = take(write_csv(tmp_path / "a.csv", header, *broken)).records
    assert len(known) == 7
    whole = read_layer(write_csv(tmp_path / "b.csv", header, *rows))
    again = take_monitor(whole, places(), year=2011, crop="maize", known=known)
    assert (again.stored_rows, len(again.duplicates)) == ([1], 7)


def test_clock_is_kept_as_the_logger_wrote_it(tmp_path: Path) -> None:
    points = take(write_csv(tmp_path / "a.csv", CLOCKED, *_rows(clock=True))).records
    assert points[0].time_s == 500


def test_crop_of_the_file(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv", f"{HEADER},Crop", "124.5,43.5,2,1,2,6,20,Soybeans"
    )
    layer = read_layer(path)
    (point,) = take_monitor(layer, places(), year=2011).records
    assert point.crop == "soybean"
    with pytest.raises(OptionInvalid, match="Soybeans") as caught:
        take_monitor(layer, places(), year=2011, crop="maize")
    english(str(caught.value))
