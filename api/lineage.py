"""What a run read, by ids and checksums, and the id that follows from it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pystac
from pandas import DataFrame

from store.runs import Run, run_id_of

__all__ = ["CODE_VERSION", "Recipe", "checksums", "simulated", "table_checksum"]

CODE_VERSION = version("heitu")


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
            code_version=CODE_VERSION,
            model_version=self.model_version,
        )

    def finished(self) -> Run:
        """Return the run, finished now."""
        return Run(
            run_id=self.run_id,
            kind=self.kind,
            inputs=dict(self.inputs),
            parameters=dict(self.parameters),
            code_version=CODE_VERSION,
            model_version=self.model_version,
            simulated=self.simulated,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
        )


def checksums(items: Iterable[pystac.Item]) -> dict[str, str]:
    """Return item id -> one checksum over the checksums of its assets."""
    return {item.id: _item_checksum(item) for item in items}


def simulated(items: Iterable[pystac.Item]) -> bool:
    """Tell whether any of the items is simulated; then all made from them is."""
    return any(item.properties.get("heitu:simulated", False) for item in items)


def table_checksum(frame: DataFrame) -> str:
    """Return the sha256 of a table's rows, whatever their order."""
    rows = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256(np.sort(rows).tobytes()).hexdigest()


def _item_checksum(item: pystac.Item) -> str:
    digest = hashlib.sha256()
    for key, asset in sorted(item.assets.items()):
        digest.update(f"{key}={asset.extra_fields['file:checksum']}\n".encode())
    return digest.hexdigest()
