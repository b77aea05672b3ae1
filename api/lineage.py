"""What a run read, by ids and checksums, and the id that follows from it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pystac
from pandas import DataFrame

from store.counties import County
from store.runs import Run, run_id_of

__all__ = [
    "Recipe",
    "checksums",
    "code_digest",
    "code_version",
    "outlines_checksum",
    "simulated",
    "table_checksum",
]

ROOMS = ("api", "ingest", "models", "raster", "sensors", "store")


@cache
def code_version() -> str:
    """Return the version with a digest of the code, e.g. ``0.1.0+3f9c01ab``.

    Between two releases the number alone would let a run of older code pass for one
    of today's.
    """
    return f"{version('heitu')}+{code_digest(*ROOMS)}"


def code_digest(*folders: str) -> str:
    """Return the first 8 digits of the sha256 of the Python code in some folders."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(p for folder in folders for p in (root / folder).rglob("*.py")):
        if "node_modules" not in path.parts:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The ingredients of a run, known before it is cooked.

    Equal recipes have equal ids: work whose id is in the store is not done again.
    """

    kind: str
    inputs: Mapping[str, str]
    """Id of each scene, table or run that is read -> its checksum."""

    parameters: Mapping[str, Any]
    simulated: bool
    model_version: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def run_id(self) -> str:
        """Return the id that follows from the ingredients."""
        return run_id_of(
            kind=self.kind,
            inputs=self.inputs,
            parameters=self.parameters,
            code_version=code_version(),
            model_version=self.model_version,
        )

    def finished(self) -> Run:
        """Return the run, finished now."""
        return Run(
            run_id=self.run_id,
            kind=self.kind,
            inputs=dict(self.inputs),
            parameters=dict(self.parameters),
            code_version=code_version(),
            model_version=self.model_version,
            simulated=self.simulated,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
        )


def checksums(items: Iterable[pystac.Item]) -> dict[str, str]:
    """Return item id -> one checksum over its pixels and what gives them a meaning."""
    return {item.id: _item_checksum(item) for item in items}


def simulated(items: Iterable[pystac.Item]) -> bool:
    """Tell whether any of the items is simulated; then all made from them is."""
    return any(item.properties.get("heitu:simulated", False) for item in items)


def table_checksum(frame: DataFrame) -> str:
    """Return the sha256 of a table's rows, whatever their order."""
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256(np.sort(rows).tobytes()).hexdigest()


def outlines_checksum(counties: Iterable[County]) -> str:
    """Return the sha256 of county codes and outlines, in their order."""
    digest = hashlib.sha256()
    for county in counties:
        digest.update(county.code.encode() + county.geometry.wkb)
    return digest.hexdigest()


def _item_checksum(item: pystac.Item) -> str:
    """Hash the item but for its place: offset, scale and time make a run too."""
    assets = {
        key: {name: value for name, value in asset.to_dict().items() if name != "href"}
        for key, asset in item.assets.items()
    }
    content = json.dumps([item.properties, assets], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()
