"""Where the blocks of a product lie on disk: Zarr v3, one file a block and variable.

Variables over time go into ``product/season.zarr``, which is part of the product:
shards of one block, in them chunks of all dates of about 128 x 128 pixels, so that the
series of a place is one small read. Maps wait in ``maps.zarr`` to become COGs.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from raster.blocks import Arrays, Block, BlockPlan
from raster.files import remove, reported, sha256, sync, sync_tree

SERIES = "season.zarr"
PRODUCT = "product"
TIME = "time"

# Pixels a side: 1.2 MB for 36 dates, a millisecond to decode.
CHUNK = 128

# Bit planes side by side pack a fifth smaller than plain zstd and no slower.
CODEC = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")


@dataclass(frozen=True, slots=True)
class BlockStore:
    """The two stores below a working folder; picklable, so workers write to them.

    Attributes
    ----------
    work
        The working folder.
    series, maps
        Names of the variables over time, and of the others.
    """

    work: Path
    series: tuple[str, ...]
    maps: tuple[str, ...]

    @classmethod
    def of(cls, work: Path, dataset: xr.Dataset) -> "BlockStore":
        """Sort the variables of a dataset into series and maps."""
        over_time = {str(n): TIME in v.dims for n, v in dataset.data_vars.items()}
        return cls(
            work,
            tuple(name for name, timed in over_time.items() if timed),
            tuple(name for name, timed in over_time.items() if not timed),
        )

    @property
    def product(self) -> Path:
        """The folder that becomes the product."""
        return self.work / PRODUCT

    def create(self, dataset: xr.Dataset, plan: BlockPlan) -> None:
        """Make both stores, with coordinates and no data, and have them on disk.

        Raises
        ------
        DiskFull, WriteFailed
            They cannot be written.
        """
        with reported(self.work):
            self.product.mkdir(parents=True)
            if self.series:
                _create_series(self._folder(self.series[0]), dataset, plan)
            _create_maps(self.work / "maps.zarr", dataset[list(self.maps)], plan)
            sync_tree(self.work)

    @property
    def created(self) -> bool:
        """Whether both stores are there, as far as `write` needs them."""
        names = (*self.series, *self.maps)
        return all((self._folder(name) / name / "zarr.json").exists() for name in names)

    def write(self, block: Block, arrays: Arrays) -> dict[str, tuple[int, str]]:
        """Write the variables of one block and have them on disk.

        Returns
        -------
        Size in bytes and SHA-256 of each file, by path below `work`; a block of
        nothing but nodata has no file.

        Raises
        ------
        DiskFull, WriteFailed
            The block is not written, or only some of it.
        """
        files = {}
        with reported(self.work, kept=True):
            for name, values in arrays.items():
                array = _open(self._folder(name), name, mode="r+")
                array[..., block.y, block.x] = values
                place = (*(0 for _ in values.shape[:-2]), *block.place)
                key = array.metadata.encode_chunk_key(place)
                path = self._folder(name) / name / key
                if path.exists():
                    relative = path.relative_to(self.work).as_posix()
                    files[relative] = (path.stat().st_size, sha256(path))
            self._sync(files)
        return files

    def read_map(self, name: str, block: Block) -> NDArray[Any]:
        """One block of a map as it was written."""
        array = _open(self._folder(name), name, mode="r")
        return np.asarray(array[..., block.y, block.x])

    def has(self, files: Mapping[str, tuple[int, str]]) -> bool:
        """Whether files that were written are there, in their size."""
        return all(_size(self.work / name) == size for name, (size, _) in files.items())

    def holds(self, files: Mapping[str, tuple[int, str]]) -> bool:
        """Whether files that were written are there, unchanged to the byte.

        Reads all of them; after a power cut a file can have its size and not its data.
        """
        return self.has(files) and all(
            sha256(self.work / name) == digest for name, (_, digest) in files.items()
        )

    def sweep(self, kept: Iterable[str]) -> None:
        """Remove the data of blocks that were not finished.

        A product's checksum covers its files, and the store would read an older one
        where a block at the edge fills only a part of it.
        """
        keep = {self.work / name for name in kept}
        for name in (*self.series, *self.maps):
            folder = self._folder(name) / name / "c"
            for path in [p for p in folder.rglob("*") if p.is_file()]:
                if path not in keep:
                    remove(path)

    def _folder(self, name: str) -> Path:
        return self.product / SERIES if name in self.series else self.work / "maps.zarr"

    def _sync(self, files: Iterable[str]) -> None:
        paths = [self.work / name for name in files]
        folders = {f for p in paths for f in p.parents if f.is_relative_to(self.work)}
        for path in (*paths, *folders):
            sync(path)


def chunk_side(side: int, blocks: int) -> int:
    """Side of the chunks that share a shard of `side` pixels.

    The largest that divides the shard, up to `CHUNK`; the whole shard where only
    slivers would. Where one block is all, its shard may reach past the grid.
    """
    if blocks == 1:
        return min(side, CHUNK)
    best = next(size for size in range(min(side, CHUNK), 0, -1) if side % size == 0)
    return best if best >= CHUNK // 4 else side


def _create_series(path: Path, dataset: xr.Dataset, plan: BlockPlan) -> None:
    series = dataset.drop_vars(_maps(dataset))
    # A number of seasons belongs to the maps.
    foreign = _dims(dataset) - _dims(series)
    series = series.drop_dims(foreign, errors="ignore")
    template = _without_data(series)
    encoding = {
        name: _sharded(v, plan) | _fill(v) for name, v in template.data_vars.items()
    }
    with warnings.catch_warnings():
        # One file with all metadata opens many times quicker; that Zarr v3 has not
        # written it down yet is no reason to warn whoever opens the product.
        warnings.simplefilter("ignore", ZarrUserWarning)
        template.to_zarr(
            path, mode="w-", compute=False, zarr_format=3, encoding=encoding
        )


def _create_maps(path: Path, maps: xr.Dataset, plan: BlockPlan) -> None:
    group = zarr.open_group(path, mode="w-", zarr_format=3)
    for name, variable in maps.data_vars.items():
        group.create_array(
            str(name),
            shape=variable.shape,
            dtype=variable.dtype,
            chunks=(*variable.shape[:-2], *plan.side),
            compressors=CODEC,
            **_fill(variable),
        )


def _maps(dataset: xr.Dataset) -> Iterator[Any]:
    return (name for name, v in dataset.data_vars.items() if TIME not in v.dims)


def _dims(dataset: xr.Dataset) -> set[Any]:
    return {dim for variable in dataset.data_vars.values() for dim in variable.dims}


def _without_data(dataset: xr.Dataset) -> xr.Dataset:
    empty = {
        name: (v.dims, da.zeros(v.shape, dtype=v.dtype, chunks=v.shape), v.attrs)
        for name, v in dataset.data_vars.items()
    }
    return dataset.assign(empty)


def _sharded(variable: xr.DataArray, plan: BlockPlan) -> dict[str, Any]:
    sides = [
        (side, chunk_side(side, -(-size // side)))
        for side, size in zip(plan.side, plan.shape, strict=True)
    ]
    other = variable.shape[:-2]
    return {
        "chunks": (*other, *(chunk for _, chunk in sides)),
        "shards": (*other, *(-(-side // chunk) * chunk for side, chunk in sides)),
        "compressors": (CODEC,),
    }


def _fill(variable: xr.DataArray) -> dict[str, Any]:
    """Let nodata stand where no data are written; counts say zero by themselves."""
    # Said for a count, xarray would take zero for nodata and give floats.
    nodata = variable.attrs.get("_FillValue")
    return {} if nodata is None else {"fill_value": nodata}


def _open(path: Path, name: str, *, mode: Any) -> zarr.Array[Any]:  # noqa: ANN401
    group = zarr.open_group(path, mode=mode, use_consolidated=False)
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
