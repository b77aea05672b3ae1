"""Which weather there is in files and folders, by kind."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from ingest.weather.agera5 import VARIABLES as AGERA5_VARIABLES
from ingest.weather.agera5 import Agera5
from ingest.weather.era5_land import VARIABLES as ERA5_LAND_VARIABLES
from ingest.weather.era5_land import Era5Land
from ingest.weather.errors import WeatherError, WeatherUnknown, WeatherUnreadable
from ingest.weather.netcdf import opened
from ingest.weather.places import Places
from ingest.weather.power import PowerFiles
from ingest.weather.series import GridSeries, PlaceSeries, PointSeries

__all__ = ["KINDS", "Kind", "Sorted", "series_of", "sort_files"]

Kind = Literal["agera5", "era5-land", "power"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_NETCDF: Final = {".nc", ".nc4", ".cdf", ".netcdf"}
_JSON: Final = {".json", ".geojson"}
# Downloads come zipped: a folder of them must not look empty.
_ZIP: Final = {".zip"}


@dataclass(slots=True)
class Sorted:
    """Files by kind.

    Attributes
    ----------
    files
        Of each kind that there is.
    faults
        Files that cannot be read.
    unknown
        Readable files that hold nothing we know, e.g. cloud cover.
    """

    files: dict[Kind, list[Path]] = field(default_factory=dict)
    faults: list[WeatherError] = field(default_factory=list)
    unknown: list[WeatherError] = field(default_factory=list)


def sort_files(paths: Iterable[Path]) -> Sorted:
    """Find weather files, in folders at any depth, and tell kinds by their content."""
    found = Sorted()
    for path in _every(paths, found.faults):
        try:
            found.files.setdefault(_kind_of(path), []).append(path)
        except WeatherUnknown as exc:
            found.unknown.append(exc)
        except WeatherError as exc:
            found.faults.append(exc)
    return found


def series_of(
    kind: Kind, files: Sequence[Path], places: Places, *, complete: float
) -> PlaceSeries:
    """Weather of places out of files of one kind."""
    if kind == "power":
        return PointSeries(PowerFiles(files), places)
    grids = Agera5(files) if kind == "agera5" else Era5Land(files)
    return GridSeries(grids, places, complete=complete)


def _every(paths: Iterable[Path], faults: list[WeatherError]) -> Iterator[Path]:
    """Each file once, whichever way it was named."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            faults.append(
                WeatherUnreadable(
                    f"{path} is not there: check the path · {path} 不存在", path=path
                )
            )
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            wanted = not path.is_dir() or file.suffix.lower() in _NETCDF | _JSON | _ZIP
            if file.is_file() and wanted and file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _kind_of(path: Path) -> Kind:
    if path.suffix.lower() in _JSON:
        return "power"
    with opened(path) as dataset:
        names = set(dataset.variables)
    if names & set(AGERA5_VARIABLES):
        return "agera5"
    if names & set(ERA5_LAND_VARIABLES):
        return "era5-land"
    raise WeatherUnknown(
        f"{path} holds {', '.join(sorted(names)) or 'nothing'}, none of the variables "
        f"of {', '.join(KINDS)}; it is left out · {path} 不含可识别的气象变量，未导入",
        path=path,
    )
