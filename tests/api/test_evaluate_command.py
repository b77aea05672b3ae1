"""`heitu evaluate`: any table in, an honest comparison out."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from api import evaluate_workers
from api.cli import app
from api.evaluate_table import EvaluationTableInvalid
from models.county import TooFewYears
from models.errors import RowsDuplicated
from tests.models.county.tables import season_table

Run = Callable[..., Result]
BARE = ["county", "year", "yield"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process alone."""
    monkeypatch.setattr(evaluate_workers, "cores", lambda: 1)
    return lambda *words: CliRunner().invoke(app, ["evaluate", *map(str, words)])


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A table without features, which is quick."""
    path = tmp_path / "table.csv"
    season_table()[BARE].to_csv(path, index=False)
    return path


def last_line(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(
        result.stdout.splitlines()[-1], parse_constant=pytest.fail
    )
    return found


def test_the_last_line_is_one_object(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    season_table(regions=8).to_parquet(path)
    found = last_line(run(path, "--from", 2012, "--lead", 151, "--lead", 212, "--json"))
    assert found["years"] == [2012]
    assert found["n"] == 8
    assert found["rmse"] < found["rmse_trend"]
    assert {"rmse_mean5", "nrmse", "mape", "r2", "coverage", "width"} <= found.keys()
    assert [one["until"] for one in found["leads"]] == [151, 212]
    assert found["leads"][1]["rmse"] == found["rmse"] == found["per_year"][0]["rmse"]
    assert found["columns"]["series"] == ["rain"]
    assert found["columns"]["traits"] == ["soil", "state=A", "state=B"]


def test_files_hold_every_estimate_and_leading_zeros(run: Run, bare: Path) -> None:
    out = bare.parent / "result"
    found = last_line(run(bare, "--from", 2011, "--out", out, "--json"))
    rows = pd.read_csv(out / "estimates.csv", dtype={"region": str})
    assert list(rows.columns) == [
        *("region", "year", "lead", "observed", "value", "lower", "upper"),
        *("trend", "mean5", "status", "reason"),
    ]
    assert len(rows) == 24
    assert rows["region"][0] == "00001"
    assert rows["reason"].str.contains("仅据常年水平估计").all()
    assert json.loads((out / "summary.json").read_text(encoding="utf-8")) == found


def test_years_that_allow_no_number_are_null(run: Run, bare: Path) -> None:
    found = last_line(run(bare, "--from", 2004, "--json"))
    assert found["per_year"][0]["rmse"] is None
    assert (found["per_year"][0]["n"], found["per_year"][0]["missing"]) == (0, 12)


def test_a_person_reads_tables_in_two_languages(run: Run, bare: Path) -> None:
    shown = run(bare, "--protocol", "leave-year-out").stdout
    for words in (
        "trend 趋势",
        "coverage 覆盖率",
        "all 合计",
        "2012",
        "leave-year-out",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("name", "encoding", "sep"),
    [
        ("a.csv", "gb18030", ","),
        ("a.csv.gz", "utf-8-sig", ","),
        ("a.csv", "utf-16", "\t"),
        ("a.csv", "utf-8", ";"),
    ],
)
def test_chinese_tables_are_read(
    run: Run, tmp_path: Path, name: str, encoding: str, sep: str
) -> None:
    table = season_table()[BARE].assign(note="玉米")
    table.columns = pd.Index(["县区", "年份", "单产", "备注"])
    table["年份"] = table["年份"].astype(str) + "年"
    table.to_csv(tmp_path / name, index=False, encoding=encoding, sep=sep)
    found = last_line(run(tmp_path / name, "--from", 2012, "--json"))
    assert (found["years"], found["n"]) == ([2012], 12)
    assert found["columns"]["region"] == "县区"
    assert found["columns"]["ignored"] == ["备注"]


def test_a_region_named_na_is_a_region(run: Run, tmp_path: Path) -> None:
    table = season_table()[BARE].replace({"county": {"00001": "NA", "00002": ""}})
    table.to_csv(tmp_path / "a.csv", index=False)
    found = last_line(run(tmp_path / "a.csv", "--from", 2012, "--json"))
    assert found["regions"] == 11
    assert found["rows_without_region_or_year"] == 12


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["county", "fips", "year", "yield"], "county, fips could each be meant"),
        (["place", "year", "yield"], "what --region is: choose one of place"),
        (["county", "year", "yield_a", "yield_b"], "yield_a, yield_b could each"),
        (["county", "year", "yield", "yield"], "two columns are named yield"),
    ],
)
def test_columns_that_are_not_clear_are_asked_for(
    run: Run, tmp_path: Path, columns: list[str], words: str
) -> None:
    (tmp_path / "a.csv").write_text(",".join(columns) + "\n", encoding="utf-8")
    result = run(tmp_path / "a.csv")
    assert isinstance(result.exception, EvaluationTableInvalid)
    assert words in str(result.exception)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.csv", None, "no such file"),
        ("a.xlsx", b"PK", "ends neither with"),
        ("a.csv", b"", "cannot be read"),
        ("a.parquet", b"PAR1 but not", "cannot be read"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.csv", b"county,year,yield\n\xff\xff,1,2\n", "neither UTF-8 nor GB 18030"),
    ],
)
def test_files_that_are_no_table_are_refused(
    run: Run, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run(tmp_path / name)
    assert isinstance(result.exception, EvaluationTableInvalid)
    assert words in str(result.exception)


def test_a_row_twice_and_too_few_years_are_refused(run: Run, tmp_path: Path) -> None:
    table = season_table()[BARE]
    pd.concat([table, table[:1]]).to_csv(tmp_path / "twice.csv", index=False)
    table[table["year"] < 2004].to_csv(tmp_path / "short.csv", index=False)
    assert isinstance(run(tmp_path / "twice.csv").exception, RowsDuplicated)
    assert isinstance(run(tmp_path / "short.csv").exception, TooFewYears)


def test_worker_processes_keep_the_order() -> None:
    found = evaluate_workers.spread_out(abs, [-3, -1, -2], workers=2)
    assert list(found) == [3, 1, 2]


def test_an_interrupt_while_workers_start_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit = ProcessPoolExecutor.submit

    def interrupted(self: Any, function: Any, item: Any) -> Any:
        future = submit(self, function, item)
        os.kill(os.getpid(), signal.SIGINT)
        return future

    before = multiprocessing.active_children()
    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(evaluate_workers.spread_out(abs, [-3, -1], workers=2))
    assert multiprocessing.active_children() == before


def test_ctrl_c_is_told_in_one_line(
    run: Run, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_workers, "spread_out", stopped)
    assert run(bare).exit_code == 130
