"""Season features of counties, as each run made them."""

from collections.abc import Sequence

import pandas as pd
import psycopg

from store.copying import stage
from store.errors import RowRefused

_TYPES = (
    ("run_id", "text"),
    ("county", "text"),
    ("crop", "text"),
    ("year", "int2"),
    ("peak", "float8"),
    ("integral", "float8"),
    ("sos", "float8"),
    ("pos", "float8"),
    ("eos", "float8"),
    ("pixels", "int4"),
    ("clear_share", "float8"),
    ("latest", "float8"),
)
COLUMNS = [name for name, _ in _TYPES]
_NUMBERS = ("peak", "integral", "sos", "pos", "eos", "clear_share", "latest")
# Of seasons that are not over only.
_OPTIONAL = ("latest",)


def put(
    conn: psycopg.Connection, frame: pd.DataFrame, *, run_id: str, year: int
) -> None:
    """Store what one run made of one year; rows stored before stay as they are.

    Parameters
    ----------
    frame
        Columns ``county``, ``crop``, ``peak`` (NDVI), ``integral`` (NDVI day),
        ``sos``, ``pos``, ``eos`` (days since the start of the season window),
        ``pixels``, ``clear_share`` (0..1), and of a season that is not over ``latest``
        (NDVI at its end). NaN is stored as absent.
    run_id
        A stored run.
    year
        Year of the season.

    Raises
    ------
    RowRefused
        A column is missing.
    """
    missing = {*COLUMNS} - {"run_id", "year", *_OPTIONAL} - {*frame.columns}
    if missing:
        raise RowRefused(f"season features lack {', '.join(sorted(missing))}")
    absent = {name: None for name in _OPTIONAL if name not in frame.columns}
    whole = frame.assign(run_id=run_id, year=year, **absent)
    plain = whole[COLUMNS].astype(object)
    plain = plain.where(plain.notna(), None)
    with conn.transaction():
        stage(
            conn,
            table="feature_staging",
            columns=_TYPES,
            rows=plain.itertuples(index=False, name=None),
        )
        conn.execute(
            "INSERT INTO season_feature SELECT * FROM feature_staging"
            " ON CONFLICT DO NOTHING"
        )


def find(conn: psycopg.Connection, *, run_ids: Sequence[str]) -> pd.DataFrame:
    """Return the features of some runs by year, county and crop.

    Returns
    -------
    DataFrame
        The columns of :func:`put` with ``run_id`` and ``year``; numbers are float64
        with NaN where a county had no clear pixel of the crop.
    """
    with conn.cursor(binary=True) as cursor:
        cursor.execute(
            "SELECT run_id, county, crop, year, peak, integral, sos, pos, eos,"
            " pixels, clear_share, latest FROM season_feature WHERE run_id = ANY(%s)"
            " ORDER BY year, county, crop",
            [list(run_ids)],
        )
        frame = pd.DataFrame(cursor.fetchall(), columns=COLUMNS)
    return frame.astype(dict.fromkeys(_NUMBERS, "float64"))
