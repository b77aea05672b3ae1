"""`heitu yields`, as a user runs it."""

import csv
from datetime import date
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from api.errors import ApiError, AsOfInvalid, EstimatesMissing, StatisticTooEarly
from api.yields_command import yields_app
from api.yields_job import default_day
from ingest import IngestError
from store import Store, statistics
from tests.api import yield_cases as cases
from tests.api.yield_cases import YEAR

# The cases' last year lies in the past of whoever runs the tests.
DAY = "2026-08-31"


@pytest.fixture
def data(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose database has statistics and weather, and no scenes."""
    cases.put_statistics(store)
    cases.put_weather(store)
    monkeypatch.setenv("HEITU_DATABASE_URL", make_conninfo(store.url))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr("api.yields_job.today", lambda: date(2027, 9, 1))
    return tmp_path


def yields(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(yields_app, [*arguments, "--data", str(data)])


def estimate(data: Path, *arguments: str) -> Result:
    maize = ("--year", str(YEAR), "--crop", "maize", *arguments)
    return yields(data, "estimate", *maize)


def error(result: Result, kind: type[Exception]) -> str:
    """Return the words of the error that the command line would print."""
    assert result.exit_code == 1
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def test_estimates_of_a_folder_without_scenes_are_made_once(data: Path) -> None:
    first = estimate(data, "--as-of", DAY)
    assert first.exit_code == 0, first.output
    assert "2026-08-31: 6 yields 单产, 0 missing 缺, 0 seasons" in first.stdout
    assert "new 新发布" in first.stdout
    assert "without imagery" in first.output
    again = estimate(data, "--as-of", DAY)
    assert "nothing new 无变化" in again.stdout


def test_several_days_are_estimated_one_after_the_other(data: Path) -> None:
    result = estimate(data, "--as-of", DAY, "--as-of", "2026-06-30")
    days = [line[:10] for line in result.stdout.splitlines() if "yields" in line]
    assert days == ["2026-06-30", "2026-08-31"]


def test_list_and_history_show_what_was_made(data: Path, store: Store) -> None:
    estimate(data, "--as-of", "2026-06-30", "--as-of", DAY)
    with store.connection() as conn:
        statistics.put(conn, [cases.a_statistic(0, YEAR)])
    assert "final from statistics" in estimate(data, "--as-of", DAY).stdout
    listed = yields(data, "list", "--year", "2026", "--county", "梨树")
    assert "final 最终" in listed.stdout
    told = yields(data, "history", "220322", "--crop", "maize", "--year", "2026")
    assert told.exit_code == 0, told.output
    order = [told.stdout.index(t) for t in ("first issue", "instead of", "are out")]
    assert order == sorted(order)
    assert "3 issues" in told.stderr


def test_a_year_without_estimates_is_no_empty_table(data: Path) -> None:
    told = yields(data, "history", "220322", "--crop", "maize", "--year", "2031")
    assert isinstance(told.exception, EstimatesMissing)
    assert "heitu yields estimate --year 2031" in str(told.exception)


def test_estimates_under_a_former_code_keep_their_name(data: Path) -> None:
    estimate(data, "--as-of", DAY)
    told = yields(data, "history", "公主岭", "--crop", "maize", "--year", "2026")
    assert "公主岭市 Gongzhuling City: 1 issues" in told.stderr


@pytest.mark.parametrize(
    ("lang", "header", "words"),
    [
        ("zh", "县代码", ["220322", "梨树县", "玉米", "总产", "预测", "否"]),
        ("en", "county code", ["220322", "Lishu County", "maize", "production"]),
    ],
)
def test_export_has_headers_and_words_of_one_language(
    data: Path, tmp_path: Path, lang: str, header: str, words: list[str]
) -> None:
    estimate(data, "--as-of", DAY)
    out = tmp_path / "estimates.csv"
    asked = ("--lang", lang, "--measure", "production", "--county", "220322")
    assert yields(data, "export", "--out", str(out), *asked).exit_code == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    with out.open(encoding="utf-8-sig", newline="") as file:
        first, row = list(csv.reader(file))
    assert first[0] == header
    assert set(words) <= set(row)
    assert " · " not in "".join(row)


def test_totals_are_listed_by_level(data: Path) -> None:
    estimate(data, "--as-of", DAY)
    asked = ("--level", "province", "--measure", "production")
    assert "220000 吉林省" in yields(data, "list", *asked).stdout


def test_day_in_the_future_is_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.yields_job.today", lambda: date(2026, 7, 1))
    said = error(estimate(data, "--as-of", DAY), AsOfInvalid)
    assert "2026-08-31 is in the future" in said
    assert "尚未到来" in said


def test_statistic_of_the_future_is_refused(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.yields_job.today", lambda: date(2026, 9, 1))
    with store.connection() as conn:
        statistics.put(conn, [cases.a_statistic(0, YEAR)])
    assert "220322" in error(estimate(data, "--as-of", DAY), StatisticTooEarly)


def test_grid_without_a_crop_map_is_named(data: Path) -> None:
    result = estimate(data, "--as-of", DAY, "--grid", "5m")
    assert "crop-map-5m" in error(result, IngestError)


def test_unknown_county_is_wrong_usage(data: Path) -> None:
    result = yields(data, "list", "--county", "桃花源")
    assert result.exit_code == 2
    assert "没有" in result.output


@pytest.mark.parametrize(
    ("now", "weather_until", "day"),
    [
        (date(2027, 1, 1), date(2026, 10, 31), date(2026, 10, 31)),
        (date(2026, 8, 2), date(2026, 10, 31), date(2026, 8, 1)),
        (date(2026, 8, 2), date(2026, 7, 25), date(2026, 7, 25)),
    ],
)
def test_without_a_day_it_is_the_last_one_known(
    store: Store, now: date, weather_until: date, day: date
) -> None:
    cases.put_weather(store, last=weather_until)
    assert default_day(store, year=YEAR, now=now) == day


def test_season_that_has_not_begun_has_no_day(store: Store) -> None:
    with pytest.raises(ApiError, match="outside the season of 2026"):
        default_day(store, year=YEAR, now=date(2026, 2, 1))
