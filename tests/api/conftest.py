from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.conninfo import make_conninfo

from api.app import create_app
from ingest.archive import Archive
from store import Store, open_store
from tests.api import samples


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Scenes at 10 m and 250 m and two products; tests only read it."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    samples.add_scenes(archive, "fine", samples.FINE, samples.FINE_2026)
    samples.add_scenes(archive, "coarse", samples.COARSE, samples.COARSE_YEARS)
    samples.add_yield_map(archive)
    samples.add_crop_shares(archive)
    archive.refresh_links()
    return archive


@pytest.fixture
def own_archive(tmp_path: Path) -> Archive:
    """An empty archive that the test may change."""
    return Archive(tmp_path / "archive")


@pytest.fixture(scope="session")
def filled_store(database_server: str) -> Iterator[Store]:
    """A store with the samples; tests only read it."""
    with psycopg.connect(database_server, autocommit=True) as server:
        server.execute("CREATE DATABASE heitu_api_samples")
        with open_store(
            url=make_conninfo(database_server, dbname="heitu_api_samples")
        ) as store:
            samples.fill(store)
            yield store
        server.execute("DROP DATABASE heitu_api_samples WITH (FORCE)")


@pytest.fixture(scope="session")
def client(filled_store: Store, archive: Archive) -> Iterator[TestClient]:
    """A client of the whole application over the samples."""
    app = create_app(store=filled_store, archive=archive, counts=lambda: {"sent": 3})
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
