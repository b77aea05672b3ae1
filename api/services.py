"""What a request may use."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, Request
from pydantic import SecretStr

from api.catalogue import Catalogue
from api.county_table import CountyTable
from api.device_schemas import MqttAddress
from store import Store

IngestState = Literal["ok", "down", "none"]

__all__ = ["IngestState", "Services", "UseServices"]


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms below, as one process holds them.

    Attributes
    ----------
    store
        Database.
    counties
        Counties of the store, kept in memory.
    catalogue
        Items of the archive, kept in memory.
    counts
        Counters of the sensor ingest of this process.
    searches
        Folder of what catalogues said they have; None where there is none.
    ingest
        Whether that ingest takes messages; "none" where this process has no ingest.
    token
        What those who change something have to show; None: this machine alone may.
    mqtt
        Where devices connect; None where this process has no endpoint.
    connections
        Devices connected to this process.
    growth, bulletins
        Folders in which `heitu growth` and `heitu bulletin` write; None where none.
    """

    store: Store
    counties: CountyTable
    catalogue: Catalogue
    counts: Callable[[], dict[str, Any]]
    ingest: Callable[[], IngestState]
    searches: Path | None = None
    token: SecretStr | None = None
    mqtt: MqttAddress | None = None
    connections: Callable[[], int] = lambda: 0
    growth: Path | None = None
    bulletins: Path | None = None


# Not `def`: this only looks up an attribute and needs no thread of the pool.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


UseServices = Annotated[Services, Depends(_services)]
