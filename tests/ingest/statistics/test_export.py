import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from ingest.county_names import COUNTY_NAMES
from ingest.statistics import (
    Given,
    read_statistics,
    statistics_csv,
    statistics_xlsx,
    write_table,
)
from ingest.statistics.export import Language, UnitSystem
from raster.errors import DiskFull
from store.statistics import CountyStatistic

ROW = CountyStatistic(
    county="220184",
    crop="maize",
    year=2022,
    yield_t_ha=7.5,
    area_ha=1000.0,
    source="吉林统计年鉴",
    simulated=False,
    production_t=7500.0,
    derived="yield",
    file="2022.xlsx",
    written="公主岭 220381",
)

# Excel and XML know no lone surrogates, and cells are stripped when read.
TEXTS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1
).map(str.strip)


@st.composite
def statistics(draw: st.DrawFn) -> CountyStatistic:
    # Twelve digits, as what was read has.
    area = float(f"{draw(st.floats(1, 500_000)):.12g}")
    yields = float(f"{draw(st.floats(0.5, 7)):.12g}")
    agreeing = draw(st.floats(0.99, 1.01))
    return CountyStatistic(
        county=draw(st.sampled_from(sorted(COUNTY_NAMES))),
        crop=draw(st.sampled_from(["maize", "rice", "soybean"])),
        year=draw(st.integers(1980, 2040)),
        yield_t_ha=yields,
        area_ha=area,
        source=draw(TEXTS.filter(bool)),
        simulated=draw(st.booleans()),
        production_t=float(f"{area * yields * agreeing:.12g}"),
        derived=draw(st.sampled_from([None, "area", "production", "yield"])),
        file=draw(TEXTS.filter(bool)),
        written=draw(TEXTS.filter(bool)),
    )


TABLES = st.lists(
    statistics(), min_size=1, max_size=5, unique_by=lambda s: (s.county, s.crop, s.year)
)


def back(folder: Path, content: bytes) -> list[CountyStatistic]:
    """Read a table that was written; nothing of it may be left."""
    path = folder / "table"
    path.write_bytes(content)
    table = read_statistics(path)
    assert table.complete, (table.problems, table.unmatched)
    assert not table.totals
    return [row.statistic for row in table.rows]


@pytest.mark.parametrize("units", ["metric", "chinese"])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("write", [statistics_csv, statistics_xlsx])
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=TABLES)
def test_a_table_comes_back_as_it_went(
    tmp_path: Path,
    write: Any,
    language: Language,
    units: UnitSystem,
    rows: list[CountyStatistic],
) -> None:
    assert back(tmp_path, write(rows, language=language, units=units)) == rows


def test_a_number_keeps_the_digits_it_came_with(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(
        "县,面积（万亩）,单产（公斤/亩）\n公主岭,438.1,604.9\n"
    )
    given_by_hand = Given(crop="maize", year=2022)
    table = read_statistics(tmp_path / "in.csv", given_by_hand)

    text = statistics_csv([row.statistic for row in table.rows], units="chinese")

    assert b",438.1,2650066.9,604.9," in text


def test_csv_to_the_byte() -> None:
    assert (
        statistics_csv([ROW])
        == b"\xef\xbb\xbf"
        + (
            "代码,县（市、区）,作物,年份,播种面积（公顷）,总产量（吨）,单产（吨/公顷）,"
            "推算,来源,来源文件,原名称,模拟\r\n"
            "220184,公主岭市,玉米,2022,1000,7500,7.5,单产,吉林统计年鉴,2022.xlsx,"
            "公主岭 220381,\r\n"
        ).encode()
    )


@pytest.mark.parametrize(
    ("language", "units", "header", "numbers"),
    [
        ("zh", "chinese", "单产（公斤/亩）", ["1.5", "7500", "500"]),
        ("en", "metric", "Yield (t/ha)", ["1000", "7500", "7.5"]),
        ("en", "chinese", "Yield (kg/亩)", ["1.5", "7500", "500"]),
    ],
)
def test_other_languages_and_units(
    language: Language, units: UnitSystem, header: str, numbers: list[str]
) -> None:
    text = statistics_csv([ROW], language=language, units=units).decode("utf-8-sig")
    first, second = csv.reader(io.StringIO(text))

    assert first[6] == header
    assert second[4:7] == numbers


@pytest.mark.parametrize("text", ["=1+1", "+86", "-x", "@SUM(A1)", "'=1"])
def test_no_text_becomes_a_formula(tmp_path: Path, text: str) -> None:
    row = replace(ROW, source=text)

    page = load_workbook(io.BytesIO(statistics_xlsx([row]))).active
    (cells,) = csv.DictReader(io.StringIO(statistics_csv([row]).decode("utf-8-sig")))

    assert page["I2"].value == cells["来源"] == f"'{text}"
    assert page["I2"].data_type == "s"
    assert back(tmp_path, statistics_csv([row])) == [row]


def test_simulated_numbers_stay_simulated(tmp_path: Path) -> None:
    row = replace(ROW, simulated=True)

    for language in ("zh", "en"):
        assert back(tmp_path, statistics_csv([row], language=language)) == [row]


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.csv"
    write_table(path, [ROW])
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(DiskFull):
        write_table(path, [])

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_xlsx_by_its_name(tmp_path: Path) -> None:
    write_table(tmp_path / "out.XLSX", [ROW])

    assert load_workbook(tmp_path / "out.XLSX").active["B2"].value == "公主岭市"
