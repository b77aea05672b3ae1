"""`heitu wofost`, as a user runs it."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from api.wofost_run import LeafAreaInvalid, leaf_area_of
from models.wofost import SettingUnknown, SimulationFailed, WofostMissing
from models.wofost.package import pcse_module
from store import Store, weather
from tests.ingest.wording import english

# pcse's own log calls are of a deprecated spelling.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")

SEASON = ("--emergence", "2025-05-15", "--end", "2025-10-10")
MAIZE = ("--change", "TSUM1=700", "--change", "TSUM2=700")


@pytest.fixture
def data(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    days = pd.date_range("2025-05-01", "2025-10-31")
    table = pd.DataFrame(
        {"day": days, "tmin": 14.0, "tmax": 27.0, "precipitation": 4.0}
    ).assign(county="220184", radiation=19.0, simulated=True, source="test")
    with store.connection() as conn:
        weather.put(conn, table)
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)
    return tmp_path


def run(data: Path, *arguments: object) -> Result:
    given = ["wofost", "--county", "公主岭市", *SEASON, *MAIZE, "--data", data]
    return CliRunner().invoke(app, [str(argument) for argument in (*given, *arguments)])


def test_sparse_leaves_lower_the_yield_that_is_told(data: Path) -> None:
    try:
        pcse_module("pcse")
    except WofostMissing:
        pytest.skip("the extra wofost (pcse) is not installed")
    path = data / "lai.csv"
    path.write_text("day,lai,sd\n2025-07-20,1.0,0.2\n2025-12-01,1.0,\n")
    few = ("--members", 5, "--level", 50)
    free, seen = run(data, *few), run(data, *few, "--lai", path)
    for result in (free, seen):
        assert result.exit_code == 0, (result.output, result.exception)
        assert "simulated 模拟数据" in result.stdout
        assert "wind, humidity" in result.stdout
    assert "2025-07-20 LAI 1 ± 0.2: used" in seen.stdout
    assert "2025-12-01 LAI 1 ± 0.25: outside_season" in seen.stdout
    assert _yield(seen) < 0.9 * _yield(free)


def test_five_members_bound_no_interval_of_90_percent(data: Path) -> None:
    result = run(data, "--members", 5)
    assert result.exit_code == 2
    assert "20" in english(result.output)


def test_a_season_that_ends_before_it_begins_is_said_so(data: Path) -> None:
    result = run(data, "--end", "2025-05-01")
    assert isinstance(result.exception, SettingUnknown)
    assert "cannot end on 2025-05-01" in str(result.exception)


def test_season_without_grain_gives_no_number(data: Path) -> None:
    try:
        pcse_module("pcse")
    except WofostMissing:
        pytest.skip("the extra wofost (pcse) is not installed")
    result = run(data, "--members", 5, "--level", 50, "--end", "2025-06-05")
    assert isinstance(result.exception, SimulationFailed)
    assert "no yield is stated" in str(result.exception)


def test_members_that_are_not_mature_are_counted(data: Path) -> None:
    try:
        pcse_module("pcse")
    except WofostMissing:
        pytest.skip("the extra wofost (pcse) is not installed")
    result = run(data, "--members", 5, "--level", 50, "--end", "2025-08-05")
    assert "warning: 5 of 5 members are not mature" in result.output


def _yield(result: Result) -> float:
    line = next(one for one in result.stdout.splitlines() if one.startswith("yield"))
    return float(line.split()[2])


def test_without_the_package_it_says_what_to_install(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str, *_: object) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("models.wofost.package.importlib.import_module", absent)
    result = run(data)
    assert isinstance(result.exception, WofostMissing)
    assert "pip install 'heitu[wofost]'" in english(str(result.exception))


def test_a_table_without_leaf_area_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "lai.csv"
    path.write_text("day,lai\nyesterday,2.0\n")
    with pytest.raises(LeafAreaInvalid) as error:
        leaf_area_of(path)
    assert "give a CSV of day (YYYY-MM-DD)" in english(str(error.value))
