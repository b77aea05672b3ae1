"""Runs: which inputs, parameters and code made a product or an estimate."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Json

from store.errors import RunConflict, RunInvalid, RunUnknown


@dataclass(frozen=True, slots=True)
class Run:
    """One execution.

    ``inputs`` maps the id of each scene, table or sample read to its checksum;
    ``parameters`` holds JSON values; the times are aware.
    """

    run_id: str
    kind: str
    inputs: dict[str, str]
    parameters: dict[str, Any]
    code_version: str
    model_version: str | None
    simulated: bool
    started_at: datetime
    finished_at: datetime


def run_id_of(
    *,
    kind: str,
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
    code_version: str,
    model_version: str | None,
) -> str:
    """Return the id of a run: equal ingredients give equal ids.

    Returns
    -------
    str
        First 16 hexadecimal digits of the SHA-256 of the ingredients as canonical
        JSON (sorted keys, no spaces, UTF-8).

    Raises
    ------
    RunInvalid
        An ingredient is no JSON value (NaN, a date, a numpy number).
    """
    ingredients = {
        "kind": kind,
        "inputs": dict(inputs),
        "parameters": dict(parameters),
        "code_version": code_version,
        "model_version": model_version,
    }
    return hashlib.sha256(_canonical(ingredients).encode()).hexdigest()[:16]


def save(conn: psycopg.Connection, run: Run) -> None:
    """Store a run; a run repeated under its id keeps the times of the first.

    Raises
    ------
    RunConflict
        The id is taken by a run with other ingredients.
    RunInvalid
        An ingredient is no JSON value.
    """
    values = (
        *(run.run_id, run.kind, Json(run.inputs, _canonical)),
        *(Json(run.parameters, _canonical), run.code_version, run.model_version),
        *(run.simulated, run.started_at, run.finished_at),
    )
    conn.execute(
        "INSERT INTO run (run_id, kind, inputs, parameters, code_version,"
        " model_version, simulated, started_at, finished_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        values,
    )
    if _ingredients(get(conn, run.run_id)) != _ingredients(run):
        raise RunConflict(
            f"run {run.run_id} is stored with other inputs, parameters or versions:"
            " take the id from run_id_of"
        )


def get(conn: psycopg.Connection, run_id: str) -> Run:
    """Return the run with an id.

    Raises
    ------
    RunUnknown
    """
    with conn.cursor(row_factory=class_row(Run)) as cursor:
        cursor.execute(
            "SELECT run_id, kind, inputs, parameters, code_version, model_version,"
            " simulated, started_at, finished_at FROM run WHERE run_id = %s",
            [run_id],
        )
        run = cursor.fetchone()
    if run is None:
        raise RunUnknown(
            f"no run has the id {run_id!r}: every estimate and product names its run"
            f" · 没有编号为 {run_id} 的运行"
        )
    return run


def exists(conn: psycopg.Connection, run_id: str) -> bool:
    """Tell whether a run is stored."""
    found = conn.execute("SELECT 1 FROM run WHERE run_id = %s", [run_id]).fetchone()
    return found is not None


def _ingredients(run: Run) -> tuple[Any, ...]:
    texts = (_canonical(run.inputs), _canonical(run.parameters))
    return (run.kind, *texts, run.code_version, run.model_version, run.simulated)


def _canonical(value: object) -> str:
    try:
        return json.dumps(
            value,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
    except (TypeError, ValueError) as exc:
        raise RunInvalid(
            f"an ingredient of the run is no JSON value ({exc}): pass plain str, int,"
            " finite float, bool, None, list, dict"
        ) from exc
