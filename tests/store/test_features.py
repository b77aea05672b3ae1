from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from store import RowRefused, Store, features, runs
from store.runs import Run

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _run(run_id: str) -> Run:
    return Run(run_id, "season", {}, {}, "0.1.0", None, True, NOON, NOON)


def _frame(peak: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "county": ["220322"],
            "crop": ["maize"],
            "peak": [peak],
            "integral": [88.5],
            "sos": [41.0],
            "pos": [112.0],
            "eos": [183.0],
            "pixels": [12],
            "clear_share": [0.4],
        }
    )


def test_features_come_back_with_run_and_year(store: Store) -> None:
    with store.connection() as conn:
        runs.save(conn, _run("a"))
        features.put(conn, _frame(0.85), run_id="a", year=2026)
        found = features.find(conn, run_ids=["a"])
    # Of a season that is over nobody asks what it was like in between.
    assert found.pop("latest").isna().all()
    assert found.to_dict("records") == [
        {
            "run_id": "a",
            "county": "220322",
            "crop": "maize",
            "year": 2026,
            "peak": 0.85,
            "integral": 88.5,
            "sos": 41.0,
            "pos": 112.0,
            "eos": 183.0,
            "pixels": 12,
            "clear_share": 0.4,
        }
    ]


def test_county_without_a_clear_pixel_comes_back_as_nan(store: Store) -> None:
    with store.connection() as conn:
        runs.save(conn, _run("a"))
        features.put(conn, _frame(np.nan), run_id="a", year=2026)
        found = features.find(conn, run_ids=["a"])
    assert found["peak"].dtype == np.float64
    assert np.isnan(found["peak"].iloc[0])


def test_runs_that_are_not_asked_for_stay_out(store: Store) -> None:
    with store.connection() as conn:
        for run_id in ("a", "b"):
            runs.save(conn, _run(run_id))
            features.put(conn, _frame(0.8), run_id=run_id, year=2025)
        found = features.find(conn, run_ids=["b"])
    assert found["run_id"].tolist() == ["b"]


def test_same_run_twice_keeps_the_first_rows(store: Store) -> None:
    with store.connection() as conn:
        runs.save(conn, _run("a"))
        features.put(conn, _frame(0.8), run_id="a", year=2025)
        features.put(conn, _frame(0.9), run_id="a", year=2025)
        found = features.find(conn, run_ids=["a"])
    assert found["peak"].tolist() == [0.8]


def test_missing_column_is_named(store: Store) -> None:
    with store.connection() as conn:
        runs.save(conn, _run("a"))
        with pytest.raises(RowRefused, match="clear_share"):
            features.put(
                conn, _frame(0.8).drop(columns="clear_share"), run_id="a", year=2025
            )
