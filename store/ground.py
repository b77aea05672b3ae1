"""Ground truth: crop points, area segments, crop cuts, yield-monitor points.

Each row belongs to a data set: one imported file, with its checksum, its licence and
how its coordinates were made WGS 84.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, LiteralString, TypeVar

import psycopg
import shapely
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.copying import stage

# Any constant serves that nothing else of the platform locks with.
ADVISORY_LOCK = 7_310_472_216

Bounds = tuple[float, float, float, float]
"""(west, south, east, north) in degrees, WGS 84."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One imported file (or one layer of it).

    ``converted_from`` is "GCJ-02" when its coordinates were shifted to WGS 84 on
    import. ``licence`` and ``attribution`` go with whatever is made of the data.
    """

    dataset_id: str
    kind: str
    source: str
    layer: str
    checksum: str
    parameters: dict[str, Any]
    licence: str | None
    attribution: str | None
    converted_from: str | None
    simulated: bool
    imported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPoint:
    """Whether a crop, and which, grew at a point (degrees, WGS 84) in a year."""

    row: int
    lon: float
    lat: float
    year: int
    is_crop: bool
    crop: str | None
    county: str | None
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of an area frame: polygon (EPSG:4326), its area and its crops', ha."""

    row: int
    segment_id: str
    stratum: str
    year: int
    geometry: shapely.Geometry
    area_ha: float
    maize_ha: float | None
    rice_ha: float | None
    soybean_ha: float | None
    other_ha: float | None
    county: str | None
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CropCut:
    """A harvested plot: m2, kg of grain, % wet basis; yield at ``basis`` % in t/ha."""

    row: int
    cut_id: str
    lon: float
    lat: float
    year: int
    crop: str
    plot_m2: float
    grain_kg: float
    moisture: float
    basis: float
    yield_t_ha: float
    county: str | None
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPoint:
    """A logging interval of a combine's yield monitor.

    ``time_s`` is the logger's clock, or counts from the file's first point where it
    has none; ``flow_kg_s`` is wet grain;
    ``flag`` is of QARTOD: 2 not evaluated, 4 fail, 9 missing, with ``reason`` saying
    why; a yield is NULL unless the flag is 2.
    """

    row: int
    lon: float
    lat: float
    year: int
    crop: str | None
    time_s: float
    interval_s: float | None
    distance_m: float | None
    swath_m: float | None
    speed_m_s: float | None
    flow_kg_s: float | None
    moisture: float | None
    elevation_m: float | None
    basis: float
    yield_t_ha: float | None
    flag: int
    reason: str | None
    county: str | None
    simulated: bool


R = TypeVar("R", CropPoint, Segment, CropCut, MonitorPoint)


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table, the record of its rows, its PostgreSQL types and its key."""

    name: LiteralString
    record: type[R]
    types: tuple[LiteralString, ...]
    key: tuple[LiteralString, ...]

    @property
    def columns(self) -> list[LiteralString]:
        """Names of the record's columns, in its order."""
        return [field.name for field in fields(self.record)]


_PLACE: tuple[LiteralString, ...] = ("float8", "float8", "int2")
_END: tuple[LiteralString, ...] = ("text", "bool")

POINTS = Table(
    "ground_point",
    CropPoint,
    ("int4", *_PLACE, "bool", "text", *_END),
    ("lon", "lat", "year"),
)
SEGMENTS = Table(
    "ground_segment",
    Segment,
    ("int4", "text", "text", "int2", "bytea", *("float8",) * 5, *_END),
    ("segment_id", "year"),
)
CUTS = Table(
    "ground_cut",
    CropCut,
    ("int4", "text", *_PLACE, "text", *("float8",) * 5, *_END),
    ("cut_id", "year"),
)
MONITOR = Table(
    "ground_monitor",
    MonitorPoint,
    ("int4", *_PLACE, "text", *("float8",) * 10, "int2", "text", *_END),
    ("lon", "lat", "year", "time_s"),
)

_BOX: tuple[LiteralString, ...] = ("west", "south", "east", "north")


def lock(conn: psycopg.Connection) -> None:
    """Let one import at a time compare with what is stored; until the transaction ends.

    Readers are not held up.
    """
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])


def put_dataset(conn: psycopg.Connection, dataset: Dataset) -> None:
    """Store a data set; one of the same id stays as it is."""
    values = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
    values["parameters"] = Jsonb(dataset.parameters)
    conn.execute(
        "INSERT INTO ground_dataset (dataset_id, kind, source, layer, checksum,"
        " parameters, licence, attribution, converted_from, simulated, imported_at)"
        " VALUES (%(dataset_id)s, %(kind)s, %(source)s, %(layer)s, %(checksum)s,"
        " %(parameters)s, %(licence)s, %(attribution)s, %(converted_from)s,"
        " %(simulated)s, %(imported_at)s) ON CONFLICT (dataset_id) DO NOTHING",
        values,
    )


def datasets(conn: psycopg.Connection, *, kind: str | None = None) -> list[Dataset]:
    """Return the data sets of a kind, or all, in the order of their import."""
    with conn.cursor(row_factory=class_row(Dataset)) as cursor:
        cursor.execute(
            "SELECT dataset_id, kind, source, layer, checksum, parameters, licence,"
            " attribution, converted_from, simulated, imported_at FROM ground_dataset"
            " WHERE %(kind)s::text IS NULL OR kind = %(kind)s"
            " ORDER BY imported_at, dataset_id",
            {"kind": kind},
        )
        return cursor.fetchall()


def remove(conn: psycopg.Connection, dataset_id: str) -> None:
    """Remove a data set and its rows, fields too, if it is there."""
    conn.execute("DELETE FROM ground_dataset WHERE dataset_id = %s", [dataset_id])


def size(conn: psycopg.Connection, dataset_id: str) -> int:
    """Count the rows of a data set, of whatever kind."""
    tables = ("ground_point", "ground_segment", "ground_cut", "ground_monitor", "field")
    counts = sql.SQL(" + ").join(
        sql.SQL("(SELECT count(*) FROM {} WHERE dataset_id = %(id)s)").format(
            sql.Identifier(table)
        )
        for table in tables
    )
    (rows,) = conn.execute(
        sql.SQL("SELECT {}").format(counts), {"id": dataset_id}
    ).fetchone() or (0,)
    return int(rows)


def put(
    conn: psycopg.Connection, table: Table[R], rows: Iterable[R], *, dataset_id: str
) -> None:
    """Store the rows of a data set by binary COPY.

    A simulated row of the same key is replaced by a real one.

    Raises
    ------
    RowRefused
        Simulated rows would replace real ones, two rows have one key, or a row breaks
        a rule of the database; none of the rows is stored then.
    """
    shaped = table is SEGMENTS
    types = list(zip(table.columns, table.types, strict=True))
    types += [("dataset_id", "text")]
    types += [(side, "float8") for side in _BOX] if shaped else []
    names = [name for name, _ in types]
    with conn.transaction():
        stage(
            conn,
            table=f"{table.name}_staging",
            columns=types,
            rows=(_values(row, dataset_id) for row in rows),
        )
        conn.execute(_upsert(table, names))


def find(
    conn: psycopg.Connection,
    table: Table[R],
    *,
    year: int | None = None,
    bounds: Bounds | None = None,
    dataset_id: str | None = None,
) -> list[R]:
    """Return rows by data set and row number.

    Parameters
    ----------
    bounds
        Only points inside, or polygons whose bounding box touches the rectangle.
    """
    sides = _BOX if table is SEGMENTS else ("lon", "lat", "lon", "lat")
    statement = sql.SQL(
        "SELECT {columns} FROM {table}"
        " WHERE (%(year)s::int IS NULL OR year = %(year)s)"
        " AND (%(dataset)s::text IS NULL OR dataset_id = %(dataset)s)"
        " AND (%(west)s::float8 IS NULL OR {east} >= %(west)s AND {west} <= %(east)s"
        " AND {north} >= %(south)s AND {south} <= %(north)s)"
        " ORDER BY dataset_id, row"
    ).format(
        columns=_names(table.columns),
        table=sql.Identifier(table.name),
        **{
            side: sql.Identifier(column)
            for side, column in zip(_BOX, sides, strict=True)
        },
    )
    box = dict(zip(_BOX, bounds or (None,) * 4, strict=True))
    with conn.cursor(binary=True) as cursor:
        cursor.execute(statement, {"year": year, "dataset": dataset_id, **box})
        return [_record(table, row) for row in cursor]


def _values(
    row: CropPoint | Segment | CropCut | MonitorPoint, dataset_id: str
) -> tuple[Any, ...]:
    values = [getattr(row, field.name) for field in fields(row)]
    if isinstance(row, Segment):
        values[4] = shapely.to_wkb(row.geometry)
        return (*values, dataset_id, *row.geometry.bounds)
    return (*values, dataset_id)


def _record(table: Table[R], row: Sequence[Any]) -> R:
    values = dict(zip(table.columns, row, strict=True))
    if "geometry" in values:
        values["geometry"] = shapely.from_wkb(values["geometry"])
    return table.record(**values)


def _upsert(table: Table[R], names: Sequence[str]) -> sql.Composed:
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
        for name in names
        if name not in table.key
    )
    return sql.SQL(
        "INSERT INTO {table} ({names}) SELECT {names} FROM {staging}"
        " ON CONFLICT ({key}) DO UPDATE SET {changes}"
    ).format(
        table=sql.Identifier(table.name),
        staging=sql.Identifier("pg_temp", f"{table.name}_staging"),
        names=_names(names),
        key=_names(table.key),
        changes=changes,
    )


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
