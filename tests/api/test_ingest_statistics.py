"""`heitu ingest statistics` and `heitu export statistics`, as a user runs them."""

import csv
import io
from pathlib import Path

import pytest
import typer
from openpyxl import load_workbook
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from api.ingest_statistics import statistics, statistics_export
from ingest.statistics import UnitMissing, XlsNotRead
from store import Store
from store import statistics as stored

# Gongzhuling expected 438.1 万亩 of maize and 53 亿斤 before the harvest of 2022.
GOOD = "县,播种面积（万亩）,总产（亿斤）\n公主岭,438.1,53\n长春市,1000,100\n"
DOUBTFUL = GOOD + "净月开发区,1,0.1\n农安县,10,1\n农安,10,1.1\n"

app = typer.Typer()
app.command("import")(statistics)
app.command("export")(statistics_export)


@pytest.fixture(autouse=True)
def _own_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEITU_DATABASE_URL", make_conninfo(store.url))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def table(folder: Path, text: str) -> Path:
    path = folder / "2022.csv"
    path.write_text(text, encoding="gb18030")
    return path


def kept(store: Store) -> list[stored.CountyStatistic]:
    with store.connection() as conn:
        return stored.find(conn)


def test_a_table_is_understood_and_stored(tmp_path: Path, store: Store) -> None:
    path = table(tmp_path, GOOD)

    result = run("import", path, "--crop", "maize", "--year", "2022")

    assert result.exit_code == 0, result.output
    assert "area 面积 [万亩] · maize · 2022" in result.stdout
    assert "1 statistics (1 yield computed" in result.stdout
    assert "长春市" in result.stdout
    assert "stored: 1 new or changed, 0 as before" in result.stdout
    (row,) = kept(store)
    assert (row.county, row.crop, row.year) == ("220184", "maize", 2022)
    assert row.area_ha == pytest.approx(292_066.6667)
    assert row.production_t == 2_650_000
    assert row.yield_t_ha == pytest.approx(9.0733, abs=5e-5)
    assert (row.source, row.file, row.derived) == ("2022.csv", "2022.csv", "yield")


def test_the_same_file_again_changes_nothing(tmp_path: Path, store: Store) -> None:
    arguments = ("import", table(tmp_path, GOOD), "--crop", "maize", "--year", "2022")
    run(*arguments)
    before = kept(store)

    result = run(*arguments)

    assert "stored: 0 new or changed, 1 as before" in result.stdout
    assert kept(store) == before


def test_what_cannot_be_taken_is_listed_and_the_rest_stored(
    tmp_path: Path, store: Store
) -> None:
    path = table(tmp_path, DOUBTFUL)

    result = run("import", path, "--crop", "maize", "--year", "2022")

    assert result.exit_code == 1
    assert "净月开发区" in result.stdout
    assert "开发区、管委会等没有自己的县级代码" in result.stdout
    assert "rows 5, 6 give different numbers of production" in result.stdout
    assert "1 unmatched and 2 doubtful" in result.stderr
    assert [row.county for row in kept(store)] == ["220184"]


def test_a_dry_run_stores_nothing(tmp_path: Path, store: Store) -> None:
    arguments = ("--crop", "maize", "--year", "2022", "--dry-run")

    result = run("import", table(tmp_path, GOOD), *arguments)

    assert result.exit_code == 0
    assert "area 面积 [万亩]" in result.stdout
    assert "stored:" not in result.stdout
    assert kept(store) == []


def test_names_in_brackets_are_printed_as_they_are(tmp_path: Path) -> None:
    path = table(tmp_path, "县,面积（ha）,总产（t）\n[/red]张家村[b],1,7\n农安,1,7\n")

    result = run("import", path, "--crop", "maize", "--year", "2022", "--dry-run")

    assert "area 面积 [ha] · maize · 2022" in result.stdout
    assert "[/red]张家村[b]" in result.stdout


def test_units_and_source_may_be_given(tmp_path: Path, store: Store) -> None:
    path = table(tmp_path, "县,面积,单产\n农安县,1.5,1000\n")
    units = ("--unit", "area=万亩", "--unit", "yield=斤/亩")
    what = ("--crop", "maize", "--year", "2022", "--source", "吉林统计年鉴2023")

    result = run("import", path, *units, *what)

    assert result.exit_code == 0, result.output
    (row,) = kept(store)
    assert (row.area_ha, row.yield_t_ha, row.production_t) == (1000, 7.5, 7500)
    assert row.source == "吉林统计年鉴2023"


@pytest.mark.parametrize("unit", ["area", "area=垧", "price=元", "yield=吨", "=亩"])
def test_a_unit_that_is_none_is_wrong_usage(tmp_path: Path, unit: str) -> None:
    result = run("import", table(tmp_path, GOOD), "--unit", unit)

    assert result.exit_code == 2
    assert "area=万亩" in result.stderr


@pytest.mark.parametrize(
    "units",
    [
        ("面积=万亩", "产量=吨"),
        ("播种面积=万亩", "总产量=吨"),
        ("area=万亩", "亩产=斤"),
    ],
)
def test_measures_may_be_named_in_chinese(
    tmp_path: Path, units: tuple[str, str]
) -> None:
    third = "单产" if "亩产" in units[1] else "产量"
    path = table(tmp_path, f"县,面积,{third}\n农安县,1.5,1000\n")
    options = (option for unit in units for option in ("--unit", unit))

    result = run("import", path, *options, "--crop", "maize", "--year", "2022")

    assert "面积 [万亩]" in result.stdout, result.output


def test_a_simulated_row_does_not_stop_the_file(tmp_path: Path, store: Store) -> None:
    header = "县,面积（公顷）,总产（吨）,模拟\n"
    what = ("--crop", "maize", "--year", "2022")
    run("import", table(tmp_path, f"{header}农安县,10,70,\n"), *what)

    text = f"{header}农安县,10,80,是\n德惠市,10,80,\n"
    result = run("import", table(tmp_path, text), *what)

    assert result.exit_code == 1
    assert "simulated numbers do not replace real ones" in result.stdout
    assert [(row.county, row.production_t) for row in kept(store)] == [
        ("220122", 70),
        ("220183", 80),
    ]


def test_another_source_is_replaced_only_when_asked(
    tmp_path: Path, store: Store
) -> None:
    header = "县,面积（公顷）,总产（吨）\n"
    what = ("--crop", "maize", "--year", "2022", "--source")
    run("import", table(tmp_path, f"{header}农安县,10,70\n"), *what, "年鉴2023")
    other = table(tmp_path, f"{header}农安县,10,80\n")

    refused = run("import", other, *what, "年鉴2024")
    before = kept(store)
    tried = run("import", other, *what, "年鉴2024", "--replace", "--dry-run")
    between = kept(store)
    done = run("import", other, *what, "年鉴2024", "--replace")

    assert refused.exit_code == 1
    assert "production 70 → 80 t" in refused.stdout
    assert [row.source for row in before] == ["年鉴2023"]
    assert (tried.exit_code, between) == (0, before)
    assert done.exit_code == 0, done.output
    for each in (tried, done):
        assert "yield 7 → 8 t/ha (年鉴2023, 2022.csv)" in each.stdout
    assert [row.source for row in kept(store)] == ["年鉴2024"]


def test_long_lists_are_cut_and_the_report_has_all(tmp_path: Path) -> None:
    rows = "".join(f"甲{chr(0x4E00 + n)}村,1,7\n" for n in range(30))
    path = table(
        tmp_path, f"县,面积（公顷）,总产（吨）\n农安县,10,70\n{rows}=1村,1,7\n"
    )
    out = tmp_path / "report.csv"

    result = run(
        *("import", path, "--crop", "maize", "--year", "2022"),
        *("--report", out, "--dry-run"),
    )

    assert result.stdout.count("no county of Jilin") == 20
    assert "… and 11 more" in result.stdout
    lines = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8-sig"))))
    assert lines[0] == ["fate", "row", "name", "crop", "year", "reason", "原因"]
    assert [line[0] for line in lines[1:]] == ["not matched"] * 31 + ["aside"]
    assert lines[1][1:5] == ["3", "甲一村", "maize", "2022"]
    assert lines[31][2] == "'=1村"


def test_an_unclear_table_stores_nothing(tmp_path: Path, store: Store) -> None:
    path = table(tmp_path, "县,面积,单产\n农安县,1.5,1000\n")

    result = run("import", path, "--crop", "maize", "--year", "2022")

    assert isinstance(result.exception, UnitMissing)
    assert kept(store) == []


def test_an_old_workbook_is_to_be_saved_anew(tmp_path: Path) -> None:
    path = tmp_path / "old.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")

    assert isinstance(run("import", path).exception, XlsNotRead)


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
@pytest.mark.parametrize("options", [(), ("--lang", "en"), ("--units", "chinese")])
def test_an_export_comes_back_unchanged(
    tmp_path: Path, store: Store, name: str, options: tuple[str, ...]
) -> None:
    run("import", table(tmp_path, GOOD), "--crop", "maize", "--year", "2022")
    out = tmp_path / name

    exported = run("export", out, *options)
    again = run("import", out)

    assert "1 statistics written" in exported.stdout
    assert again.exit_code == 0, again.output
    assert "stored: 0 new or changed, 1 as before" in again.stdout


def test_an_export_of_one_crop_and_year(tmp_path: Path, store: Store) -> None:
    text = "县,年份,作物,面积（公顷）,总产（吨）\n"
    rows = "农安,2021,玉米,10,70\n农安,2022,玉米,10,80\n农安,2022,水稻,10,80\n"
    run("import", table(tmp_path, text + rows))
    out = tmp_path / "out.csv"

    result = run("export", out, "--crop", "maize", "--year", "2022")

    assert result.exit_code == 0, result.output
    lines = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8-sig"))))
    assert [line[:7] for line in lines[1:]] == [
        ["220122", "农安县", "玉米", "2022", "10", "80", "8"]
    ]


def test_an_export_for_a_spreadsheet(tmp_path: Path) -> None:
    run("import", table(tmp_path, GOOD), "--crop", "maize", "--year", "2022")
    out = tmp_path / "out.xlsx"

    run("export", out, "--units", "chinese")

    page = load_workbook(out).active
    assert page["E1"].value == "播种面积（万亩）"
    assert page["E2"].value == 438.1


@pytest.mark.parametrize("name", ["out.txt", "no/where/out.csv"])
def test_an_export_to_nowhere_is_wrong_usage(tmp_path: Path, name: str) -> None:
    assert run("export", tmp_path / name).exit_code == 2
