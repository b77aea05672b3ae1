"""Which file holds which variable of which time, over many files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ingest.weather.errors import GridUnusable, HeldTwice, WeatherError
from ingest.weather.netcdf import (
    Bounds,
    FileGrid,
    Grid,
    check_axes,
    file_grid,
    opened,
    read,
    times,
)
from ingest.weather.units import Conversion, Quantity, conversion

__all__ = ["Holdings", "Layer", "Wanted", "look_into"]

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A variable of a product: our name of it, and what it measures."""

    name: str
    quantity: Quantity


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Values on a grid, (y, x) or (time, y, x), north up, NaN where nothing is.

    `step` is the least difference that a packed file can tell, in the unit of the
    values; 0 of one that is not packed.
    """

    grid: Grid
    values: Float
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one time of one variable lies."""

    path: Path
    variable: str
    step: int
    conversion: Conversion
    packing: float


@dataclass(slots=True)
class Holdings:
    """The times of each variable, and the files that were left out and why.

    Attributes
    ----------
    faults
        One error a file that cannot be used, wholly or in part.
    """

    faults: list[WeatherError] = field(default_factory=list)
    _held: dict[str, dict[datetime, _Place]] = field(default_factory=dict)
    _grids: dict[Path, FileGrid] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Our names of the variables that are there."""
        return set(self._held)

    def times(self, name: str) -> Set[datetime]:
        """Moments, UTC, of a variable."""
        return self._held.get(name, {}).keys()

    def files(self) -> set[Path]:
        """Files that something is read from."""
        return set(self._grids)

    def path(self, name: str, moment: datetime) -> Path:
        """File of a variable and moment that is there."""
        return self._held[name][moment].path

    def times_in(self, name: str, path: Path) -> list[datetime]:
        """Moments of a variable in one file, ascending."""
        held = self._held.get(name, {})
        return sorted(moment for moment, place in held.items() if place.path == path)

    def drop(self, name: str, path: Path) -> None:
        """Forget what one file holds of a variable."""
        held = self._held[name]
        self._held[name] = {m: place for m, place in held.items() if place.path != path}

    def grids(self, bounds: Bounds) -> Iterator[Grid]:
        """Windows of the files around a rectangle, each once."""
        seen: dict[Grid, None] = {}
        for grid in self._grids.values():
            try:
                seen[grid.window(bounds)[2]] = None
            except WeatherError as exc:
                self.blame(exc)
        return iter(seen)

    def blame(self, error: WeatherError) -> None:
        """Note what is wrong with a file, once."""
        if str(error) not in {str(known) for known in self.faults}:
            self.faults.append(error)

    def layer(self, name: str, moments: Sequence[datetime], bounds: Bounds) -> Layer:
        """Read a variable at moments that are all there, in our unit.

        Returns
        -------
        Layer
            (time, y, x).

        Raises
        ------
        WeatherUnreadable, GridElsewhere, GridUnusable
            A file fails, or two of them have different grids.
        """
        places = [self._held[name][moment] for moment in moments]
        parts: list[Float] = []
        grids: dict[Grid, Path] = {}
        for path, group in _by_path(places):
            rows, cols, grid = self._grids[path].window(bounds)
            grids.setdefault(grid, path)
            first, last = group[0].step, group[-1].step
            with opened(path) as dataset:
                values = read(
                    dataset,
                    group[0].variable,
                    steps=slice(min(first, last), max(first, last) + 1),
                    window=(rows, cols),
                    path=path,
                )
            chosen = values[[place.step - min(first, last) for place in group]]
            factor, offset = group[0].conversion
            parts.append(chosen * factor + offset)
        if len(grids) > 1:
            raise _different(name, list(grids.values()))
        step = max(abs(place.packing * place.conversion.factor) for place in places)
        return Layer(next(iter(grids)), np.concatenate(parts), step)

    def add(
        self, path: Path, wanted: Mapping[str, Wanted], *, cell: float | None = None
    ) -> None:
        """Take in what a file holds of some variables.

        Parameters
        ----------
        cell
            Degrees that a cell of the product has, if it has them always.

        Raises
        ------
        WeatherError
            The file cannot be used; nothing of it was taken in.
        """
        with opened(path) as dataset:
            grid = file_grid(dataset, path)
            found = _contents(dataset, wanted, path)
        if cell is not None and not np.allclose([grid.height, grid.width], cell, 0.01):
            raise _other_cells(grid, cell)
        for name, moments in found.items():
            held = self._held.get(name, {})
            for moment in moments:
                if moment in held:
                    raise _twice(path, held[moment].path, name, moment)
        for name, moments in found.items():
            self._held.setdefault(name, {}).update(moments)
        self._grids[path] = grid


def look_into(
    paths: Iterable[Path],
    wanted: Mapping[str, Wanted],
    *,
    cell: float | None = None,
) -> Holdings:
    """Take in files as `Holdings.add`; those that cannot be used are noted."""
    holdings = Holdings()
    for path in sorted(paths):
        try:
            holdings.add(path, wanted, cell=cell)
        except WeatherError as exc:
            holdings.blame(exc)
    return holdings


def _contents(
    dataset: netCDF4.Dataset, wanted: Mapping[str, Wanted], path: Path
) -> dict[str, dict[datetime, _Place]]:
    _, moments = times(dataset, path)
    again = {moment for moment in moments if moments.count(moment) > 1}
    if again:
        raise _twice(path, path, "values", min(again))
    found: dict[str, dict[datetime, _Place]] = {}
    for variable in wanted.keys() & dataset.variables.keys():
        what = wanted[variable]
        unit = getattr(dataset.variables[variable], "units", None)
        change = conversion(what.quantity, unit, variable=variable, path=path)
        check_axes(dataset, variable, moments=len(moments), path=path)
        packing = float(getattr(dataset.variables[variable], "scale_factor", 0.0))
        found[what.name] = {
            moment: _Place(path, variable, step, change, packing)
            for step, moment in enumerate(moments)
        }
    return found


def _by_path(places: Sequence[_Place]) -> Iterator[tuple[Path, list[_Place]]]:
    """Neighbours that lie in one file, so that it is read in one go."""
    group: list[_Place] = []
    for place in places:
        if group and place.path != group[0].path:
            yield group[0].path, group
            group = []
        group.append(place)
    yield group[0].path, group


def _different(name: str, paths: Sequence[Path]) -> GridUnusable:
    return GridUnusable(
        f"{paths[0]} and {paths[1]} hold {name} of one day on different grids: give "
        f"files of one region and resolution · {paths[0]} 与 {paths[1]} 的网格不同，"
        "请提供同一范围和分辨率的文件",
        path=paths[1],
    )


def _other_cells(grid: FileGrid, cell: float) -> GridUnusable:
    return GridUnusable(
        f"{grid.path} has cells of {grid.width:g} x {grid.height:g} degree, not of "
        f"{cell:g}: it is another product, such as ERA5; the file is left out"
        f" · {grid.path} 的格距为 {grid.width:g}°×{grid.height:g}°，应为 {cell:g}°，"
        "可能是其他产品（如 ERA5），未导入",
        path=grid.path,
    )


def _twice(path: Path, other: Path, name: str, moment: datetime) -> HeldTwice:
    return HeldTwice(
        f"{path} holds {name} of {moment:%Y-%m-%d %H:%M} UTC, as {other} does: keep "
        f"one of them; the first one counts, {path.name} is left out"
        f" · {path} 与 {other} 重复，已采用前者，请保留其一",
        path=path,
        other=other,
    )
