"""One running platform: its data folder, store, archive, and the door for devices."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.sensing import open_listening
from api.sensor_settings import SensorSettings
from api.settings import Settings, from_environment
from ingest.archive import Archive
from ingest.boundaries import jilin_counties
from sensors.endpoint import Endpoint
from sensors.writer import Writer
from store import Store, counties, open_store
from store.counties import County
from store.lock import lock_folder

__all__ = ["Platform", "load_counties", "open_platform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The rooms put together; closed in reverse order by `open_platform`."""

    data: Path
    store: Store
    archive: Archive
    host: str
    endpoint: Endpoint
    writer: Writer
    searches: Path


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """Start a platform in its data folder and stop it in order afterwards.

    Raises
    ------
    store.StoreError
        The data folder is in use by another platform, or the database cannot start.
    sensors.SensorsError
        It cannot listen for devices, for example because its port is taken.
    """
    with ExitStack() as stack:
        stack.enter_context(lock_folder(settings.data))
        store = stack.enter_context(open_store(data=settings.data, url=settings.url))
        endpoint, writer = stack.enter_context(
            open_listening(store, settings, from_environment(SensorSettings))
        )
        archive = Archive(settings.archive)
        yield Platform(
            data=settings.data,
            store=store,
            archive=archive,
            host=settings.host,
            endpoint=endpoint,
            writer=writer,
            searches=settings.searches,
        )


def load_counties(store: Store) -> list[County]:
    """Return the 60 counties by code, put into the store when it has none.

    Raises
    ------
    ingest.IngestError
        The county outlines are not installed, or are not the ones checked.
    """
    with store.connection() as conn:
        known = counties.all_counties(conn)
    if not known:
        known = sorted(jilin_counties(), key=lambda county: county.code)
        with store.connection() as conn:
            counties.replace(conn, known)
    return known
