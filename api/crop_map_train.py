"""From ground truth and the archive to a trained crop map."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from api.crop_map_samples import Site, sites_checksum
from api.crop_map_table import Sampler
from api.lineage import code_version
from models.crop_map.training import Settings, Training, train

__all__ = ["trained"]


def trained(
    sampler: Sampler,
    sites: Sequence[Site],
    settings: Settings,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Sample the season at the sites, and train a crop map on it.

    The model says what it was trained with: a checksum of the sites, and one of every
    scene.

    Raises
    ------
    NoScenesThere
        No season of the sites has scenes there.
    models.crop_map.errors.CropMapError
        The samples do not make a map; the message says why.
    raster.RasterError, ingest.IngestError
        A scene cannot be used.
    """
    table = sampler.table(sites, progress=progress)
    sources = {
        "sites": sites_checksum(sites),
        "scenes": dict(table.inputs),
        "collection": sampler.collection,
        "resolution": sampler.resolution,
        "code_version": code_version(),
    }
    made = train(
        table.rows,
        sampler.plan,
        settings,
        simulated=table.simulated,
        sources=sources,
    )
    return replace(made, remarks=(*made.remarks, *table.remarks))
