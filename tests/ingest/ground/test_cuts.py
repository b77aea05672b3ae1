from pathlib import Path

import pytest

from ingest.ground.cuts import take_cuts
from ingest.ground.errors import ColumnMissing, UnitContradictory, UnitUnknown
from ingest.ground.moisture import dry_factor, grain_yield_t_ha
from ingest.ground.vector import read_layer
from tests.ingest.ground.builders import places, write_csv
from tests.ingest.wording import english

HEADER = "编号,lon,lat,year,作物,样方面积(平方米),籽粒重(公斤),含水率(%)"


def test_yield_at_safe_storage_moisture() -> None:
    # 10 m2, 12.4 kg at 25.3 %: 12.4/10*10 = 12.4 t/ha wet, * 74.7/86.
    tonnes = grain_yield_t_ha(grain_kg=12.4, area_m2=10, moisture=25.3)
    assert tonnes == pytest.approx(10.770698, abs=1e-6)
    assert dry_factor(15.5) == pytest.approx(84.5 / 86)
    assert dry_factor(14) == 1
    assert dry_factor(20, basis=13) == pytest.approx(80 / 87)


def test_cut_of_a_chinese_table(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", HEADER, "T1,124.5,43.5,2024,玉米,10,12.4,25.3")
    (cut,) = take_cuts(read_layer(path), places()).records
    assert (cut.cut_id, cut.crop, cut.year, cut.county) == (
        "T1",
        "maize",
        2024,
        "220322",
    )
    assert cut.yield_t_ha == pytest.approx(10.770698, abs=1e-6)
    assert cut.basis == 14


@pytest.mark.parametrize(
    ("plot", "mass", "expected"),
    [("10 m2", "12.4 kg", 10.770698), ("0.015 亩", "24.8 斤", 10.770698)],
)
def test_units_of_the_person(
    tmp_path: Path, plot: str, mass: str, expected: float
) -> None:
    (area, area_unit), (grain, grain_unit) = plot.split(), mass.split()
    row = f"124.5,43.5,rice,{area},{grain},25.3"
    path = write_csv(tmp_path / "a.csv", "lon,lat,crop,area,grain,moisture", row)
    units = {"plot": area_unit, "grain": grain_unit, "moisture": "%"}
    (cut,) = take_cuts(read_layer(path), places(), year=2024, units=units).records
    assert cut.yield_t_ha == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UnitUnknown, match="'area' has no unit"):
        take_cuts(read_layer(path), places(), year=2024)


def test_fresh_ears_need_their_share_of_grain(tmp_path: Path) -> None:
    header = "lon,lat,作物,样方面积_m2,鲜穗重_kg,出籽率_%,含水率_%"
    rows = ["124.5,43.5,玉米,10,15.5,80,25.3", "124.6,43.5,玉米,10,15.5,,25.3"]
    path = write_csv(tmp_path / "a.csv", header, *rows)
    intake = take_cuts(read_layer(path), places(), year=2024)
    assert intake.records[0].yield_t_ha == pytest.approx(10.770698, abs=1e-6)
    assert [(one.row, one.kind) for one in intake.problems] == [(2, "shelling")]


def test_no_mass_at_all(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv", "lon,lat,crop,area_m2,moisture_%", "124.5,43.5,rice,1,14"
    )
    with pytest.raises(ColumnMissing, match="grain_mass, fresh_mass"):
        take_cuts(read_layer(path), places(), year=2024)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        # Jin entered as kilograms: 24.8 t/ha of soybean.
        ("T1,124.5,43.5,2024,大豆,10,24.8,14", "yield"),
        ("T1,124.5,43.5,2024,玉米,10,-1,14", "yield"),
        # 0.09 t/ha.
        ("T1,124.5,43.5,2024,玉米,10,0.09,14", "yield"),
        ("T1,124.5,43.5,2024,玉米,10,1_2,14", "grain"),
        ("T1,124.5,43.5,2024,玉米,0,12,14", "plot"),
        ("T1,124.5,43.5,2024,玉米,10,12,0.25", "moisture"),
        ("T1,124.5,43.5,2024,玉米,10,12,", "moisture"),
        ("T1,124.5,43.5,2024,高粱米,10,12,14", "crop"),
        ("T1,124.5,43.5,2024,,10,12,14", "crop"),
        ("T1,120,43.5,2024,玉米,10,12,14", "outside"),
    ],
)
def test_implausible_cut_is_listed(tmp_path: Path, cells: str, kind: str) -> None:
    intake = take_cuts(
        read_layer(write_csv(tmp_path / "a.csv", HEADER, cells)), places()
    )
    assert intake.stored == ()
    (listed,) = intake.problems
    assert (listed.row, listed.kind) == (1, kind)
    assert english(str(listed))


def test_given_unit_against_the_headers(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", HEADER, "T1,124.5,43.5,2024,玉米,10,12.4,25.3")
    layer = read_layer(path)
    with pytest.raises(UnitContradictory, match="籽粒重") as caught:
        take_cuts(layer, places(), units={"grain": "斤"})
    english(str(caught.value))
    assert len(take_cuts(layer, places(), units={"grain": "kg"}).stored) == 1


def test_shelling_share_is_in_percent(tmp_path: Path) -> None:
    header = "lon,lat,作物,样方面积_m2,鲜穗重_kg,出籽率(%),含水率"
    path = write_csv(tmp_path / "a.csv", header, "124.5,43.5,玉米,10,15.5,0.8,25.3")
    (listed,) = take_cuts(read_layer(path), places(), year=2024).problems
    assert listed.kind == "shelling"


@pytest.mark.parametrize("plot", ["plot_m2", "面积_m2", "plot(m2)"])
def test_moisture_without_a_unit_is_percent(tmp_path: Path, plot: str) -> None:
    header = f"lon,lat,作物,{plot},籽粒重_kg,含水率"
    path = write_csv(tmp_path / "a.csv", header, "124.5,43.5,玉米,10,12.4,25.3")
    (cut,) = take_cuts(read_layer(path), places(), year=2024).records
    assert cut.yield_t_ha == pytest.approx(10.770698, abs=1e-6)


@pytest.mark.parametrize(
    "date", ["2024-09-28", "2024/9/28", "20240928", "2024年9月28日"]
)
def test_date_of_a_cut_is_of_its_harvest(tmp_path: Path, date: str) -> None:
    header = "lon,lat,日期,作物,面积_m2,籽粒重_kg,含水率"
    rows = [
        f"124.5,43.5,{date},玉米,10,12.4,25.3",
        "124.6,43.5,28.9.24,玉米,10,12.4,25.3",
    ]
    intake = take_cuts(
        read_layer(write_csv(tmp_path / "a.csv", header, *rows)), places()
    )
    assert [cut.year for cut in intake.records] == [2024]
    assert [(one.row, one.kind) for one in intake.problems] == [(2, "year")]
    assert any("a cut is made at harvest" in note for note in intake.notes)


def test_crop_that_nobody_names(tmp_path: Path) -> None:
    header = "lon,lat,year,面积_m2,籽粒重_kg,含水率"
    path = write_csv(tmp_path / "a.csv", header, "124.5,43.5,2024,10,12.4,25.3")
    with pytest.raises(ColumnMissing, match="--crop"):
        take_cuts(read_layer(path), places())


def test_unknown_crop_is_told_the_known_ones(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", HEADER, "T1,124.5,43.5,2024,香蕉,10,12.4,25")
    (listed,) = take_cuts(read_layer(path), places()).problems
    assert "maize, rice, soybean, other" in listed.english
    assert "玉米、水稻、大豆、其他" in listed.chinese
