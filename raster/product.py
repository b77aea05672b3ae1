"""Products made from a season: a folder of COGs, a Zarr store and a STAC item.

::

    PRODUCT_ID/
        PRODUCT_ID.json     STAC item: grid, files, lineage, shares of clear pixels
        season.zarr/        variables over time, Zarr v3 with CF attributes
        sos.tif, peak.tif   the others, a COG each

The season is computed block by block, each once, and every block is on disk before it
counts as done. All of that happens in a hidden folder beside the product, which takes
its name as the last step; whatever interrupts the work, the next call goes on from
the blocks that are done.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import xarray as xr
from numpy.typing import NDArray

from raster.block import CLEAR_COUNT
from raster.blocks import BlockPlan, BlockTask, run_tasks
from raster.cog import CogOptions, has_value, write_cog_blocks
from raster.errors import NoClearPixel, SettingInvalid, WriteFailed
from raster.files import remove, replace_file, reported, sha256, sync
from raster.journal import FinishedBlock, Journal
from raster.product_check import item_at
from raster.product_item import Description, Seen, build_item, describe
from raster.product_lock import only_one
from raster.series import SERIES, BlockStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# Part of the fingerprint: working folders of another layout are begun anew.
_LAYOUT = 1


def write_season(
    dataset: xr.Dataset,
    folder: Path,
    *,
    product_id: str,
    properties: Mapping[str, Any] | None = None,
    sources: Mapping[str, str] | None = None,
    collection: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> pystac.Item:
    """Compute a season block by block and write it as a product.

    Runs on the dask client that is current, whose workers must see `folder`, else on
    threads. Memory is that of the blocks under way: one a thread.

    After Ctrl-C, a failed block, a full disk or a killed process a second call with
    the same season goes on from the finished blocks; with another one it starts anew.

    Parameters
    ----------
    dataset
        Result of `raster.season.season`, lazy: integers with scale_factor, _FillValue
        and units as attributes; dims (time, y, x), (season, y, x) or (y, x).
    folder
        Where the product's folder is made, itself made when absent; an older product
        of the same id is replaced at the end.
    product_id
        Name of the product: letters, digits, ``.``, ``_`` and ``-``.
    properties
        Further item properties, e.g. ``heitu:year``, ``heitu:run``.
    sources
        Href of a scene's item by its id, for links "derived_from".
    collection
        STAC collection the item belongs to, in an archive's layout of folders.
    progress
        Called in this thread with (blocks done, blocks in all): at first with those
        an earlier call had finished, then after each block.
    workers
        Threads; None for one a processor.

    Returns
    -------
    pystac.Item
        With absolute asset hrefs.

    Raises
    ------
    SettingInvalid, GridInvalid
        Name, properties or dataset do not serve; at once.
    NoClearPixel
        No pixel was ever seen clear, or none has a value; nothing is kept.
    ProductBusy
        Another process is writing this product.
    SceneUnreadable
        A scene's file is damaged; finished blocks are kept.
    ClusterFailed
        The cluster was lost; finished blocks are kept.
    DiskFull, WriteFailed
        An older product is untouched; finished blocks are kept.
    """
    check_product_id(product_id)
    description = describe(
        dataset,
        product_id=product_id,
        properties=properties or {},
        sources=sources or {},
        collection=collection,
    )
    plan = BlockPlan(dataset)
    final = folder.absolute() / product_id
    with reported(final):
        final.parent.mkdir(parents=True, exist_ok=True)
    with only_one(final):
        part = final.with_name(f".{product_id}.part")
        recipe = _fingerprint(dataset)
        store = BlockStore.of(part / recipe[:16], dataset)
        with reported(final):
            _restore_older(part, final)
            journal = _resume(part, store, dataset, plan, recipe)
        _compute_blocks(dataset, plan, store, journal, progress, workers)
        _finish(description, dataset, plan, store, journal)
        with reported(final):
            _move_into_place(store.product, part, final)
    return item_at(final)


def write_block(
    task: BlockTask, store: BlockStore, nodata: Mapping[str, Any]
) -> FinishedBlock:
    """Compute one block and have it on disk, in whatever process this runs.

    Parameters
    ----------
    task, store
        What to compute, and where it goes.
    nodata
        Nodata of each variable that has one.

    Raises
    ------
    RasterError
        Whatever computing or writing meets.
    """
    arrays = task.compute()
    files = store.write(task.block, arrays)
    clear = arrays.get(CLEAR_COUNT)
    return FinishedBlock(
        place=task.block.place,
        files=files,
        clear=() if clear is None else _counts(clear > 0),
        seen=0 if clear is None else int(np.count_nonzero(clear.any(axis=0))),
        valid={
            name: _counts(has_value(arrays[name], value))
            if name in store.maps
            else (int(np.count_nonzero(has_value(arrays[name], value))),)
            for name, value in nodata.items()
        },
    )


def _counts(wanted: NDArray[np.bool_]) -> tuple[int, ...]:
    layers = wanted.reshape(-1, *wanted.shape[-2:])
    return tuple(int(np.count_nonzero(layer)) for layer in layers)


def _compute_blocks(
    dataset: xr.Dataset,
    plan: BlockPlan,
    store: BlockStore,
    journal: Journal,
    progress: Callable[[int, int], None] | None,
    workers: int | None,
) -> None:
    def tick() -> None:
        if progress is not None:
            progress(len(journal.blocks), len(plan))

    nodata = {
        str(name): v.attrs["_FillValue"]
        for name, v in dataset.data_vars.items()
        if "_FillValue" in v.attrs
    }
    tick()
    tasks = (
        partial(write_block, plan.task(block), store, nodata)
        for block in list(plan)
        if block.place not in journal.blocks
    )
    run_tasks(tasks, record=journal.add, tick=tick, workers=workers)


def _finish(
    description: Description,
    dataset: xr.Dataset,
    plan: BlockPlan,
    store: BlockStore,
    journal: Journal,
) -> None:
    """Make the COGs and the item of a season whose blocks are all on disk."""
    seen = Seen.over(journal.blocks.values(), plan)
    _check_seen(description.product_id, seen, store)
    with reported(store.product):
        for path in store.product.iterdir():
            if path.name != SERIES:
                remove(path)
    for name in store.maps:
        _write_map(store, plan, dataset[name], description)
    files = _series_files(store, journal)
    item = build_item(
        description, dataset, seen=seen, folder=store.product, series_files=files
    )
    content = item.to_dict(include_self_link=False, transform_hrefs=False)
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    replace_file(store.product / f"{item.id}.json", text.encode())


def _check_seen(product_id: str, seen: Seen, store: BlockStore) -> None:
    if seen.clear and not seen.seen:
        problem, chinese = "has no pixel that was ever seen clear", "没有任何晴空像元"
    elif seen.valid and not any(map(any, seen.valid.values())):
        problem = f"has no value in any of {', '.join(seen.valid)}"
        chinese = "没有任何有效数值"
    else:
        return
    # The same season would end here again, and another one starts anew anyway.
    with reported(store.work):
        remove(store.work.parent)
    raise NoClearPixel(
        f"{product_id}: the season {problem}, so nothing was written. Take a longer "
        "season, more scenes or another place, and look at the scenes' cloud cover"
        f" · {product_id}：整个生长季{chinese}，未写入任何文件，请延长时段、增加影像或"
        "检查云量"
    )


def _write_map(
    store: BlockStore,
    plan: BlockPlan,
    variable: xr.DataArray,
    description: Description,
) -> None:
    name = str(variable.name)
    nodata = variable.attrs.get("_FillValue")
    count = 1 if variable.ndim == 2 else variable.shape[0]
    options: CogOptions = {
        "scale": variable.attrs.get("scale_factor"),
        "offset": variable.attrs.get("add_offset"),
        "units": variable.attrs.get("units"),
        "descriptions": [name]
        if count == 1
        else [f"{name} {band + 1}" for band in range(count)],
        "overview_resampling": "mode" if "flag_values" in variable.attrs else "average",
        "tags": description.tags,
        "colour": "gray" if count == 1 else None,
    }
    write_cog_blocks(
        store.product / f"{name}.tif",
        (((block.y, block.x), store.read_map(name, block)) for block in plan),
        description.geobox,
        dtype=variable.dtype,
        nodata=None if nodata is None else float(nodata),
        count=count,
        # A TIFF has one mask for all bands; where there are two seasons nodata tells
        # the pixels that have only one.
        mask=count == 1 and nodata is not None,
        threads=os.cpu_count() or 1,
        **options,
    )


def _series_files(store: BlockStore, journal: Journal) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every file of the Zarr store, by path inside it."""
    top = store.product / SERIES
    written = {
        n: v for block in journal.blocks.values() for n, v in block.files.items()
    }
    store.sweep(written)
    found = {}
    for path in sorted(p for p in top.rglob("*") if p.is_file()):
        known = written.get(path.relative_to(store.work).as_posix())
        size = path.stat().st_size
        digest = sha256(path) if known is None else known[1]
        found[path.relative_to(top).as_posix()] = (size, digest)
    lost = [name for name in written if not store.has({name: written[name]})]
    if lost:
        raise WriteFailed(
            f"{store.work / lost[0]} is gone or cut, with {len(lost) - 1} others. On a "
            "cluster every worker must write to this same folder; run again, and those "
            "blocks are computed once more"
            f" · {store.work / lost[0]} 等 {len(lost)} 个文件缺失或不完整，"
            "集群各节点须共享该目录，请重新运行",
            path=store.work / lost[0],
        )
    return found


def _fingerprint(dataset: xr.Dataset) -> str:
    """SHA-256 of all that decides what the blocks hold, but for the code."""
    parts = {
        "layout": _LAYOUT,
        "attributes": dataset.attrs,
        "variables": {
            str(name): [v.dims, v.shape, str(v.dtype), v.chunks, v.attrs]
            for name, v in dataset.data_vars.items()
        },
        "coordinates": {
            str(name): [v.dims, v.attrs, hashlib.sha256(v.values.tobytes()).hexdigest()]
            for name, v in dataset.coords.items()
        },
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _resume(
    part: Path, store: BlockStore, dataset: xr.Dataset, plan: BlockPlan, recipe: str
) -> Journal:
    """Open the working folder of this recipe, and no other, at what is done in it."""
    part.mkdir(exist_ok=True)
    for other in part.iterdir():
        if other != store.work:
            remove(other)
    journal = Journal(store.work / "journal", recipe)
    if not (journal.begun and store.created):
        remove(store.work)
        store.create(dataset, plan)
    kept = [block for block in journal.blocks.values() if store.holds(block.files)]
    store.sweep(name for block in kept for name in block.files)
    journal.start(kept)
    return journal


def _move_into_place(product: Path, part: Path, final: Path) -> None:
    # No system call of Python swaps two folders: between these renames, for some
    # microseconds, a reader finds neither. If the process dies there, the next call
    # puts the older one back.
    sync(product)
    older = part / "older"
    if final.exists():
        final.rename(older)
    try:
        product.rename(final)
    except OSError:
        _restore_older(part, final)
        raise
    sync(final.parent)
    remove(part)


def _restore_older(part: Path, final: Path) -> None:
    older = part / "older"
    if not older.exists():
        return
    if final.exists():
        remove(older)
    else:
        older.rename(final)


def check_product_id(product_id: str) -> None:
    """Refuse what cannot name a product's folder.

    Raises
    ------
    SettingInvalid
        Not letters, digits, ``.``, ``_`` and ``-``, beginning with one of the first.
    """
    if not _NAME.fullmatch(product_id):
        raise SettingInvalid(
            f"{product_id!r} cannot name a product: use letters, digits, '.', '_' and "
            "'-', beginning with a letter or digit"
            f" · 名称 {product_id!r} 不可用，请用字母、数字和 . _ -，以字母或数字开头"
        )
