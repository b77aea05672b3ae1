"""Fetch broken scenes again, from the sources that the settings give access to."""

from collections.abc import Iterable

from api.errors import ApiError
from api.imagery_settings import ImagerySettings
from api.progress import Stages
from api.settings import Settings, from_environment
from api.sources import source_named
from ingest.archive import Archive
from ingest.folders import FOLDER, AnyFolder
from ingest.offer import Fetcher
from ingest.repair import repair
from ingest.source_errors import SourceDenied
from ingest.transfer import Failure
from ingest.verify import Fault

__all__ = ["fetch_again"]


def fetch_again(
    archive: Archive, faults: Iterable[Fault], settings: Settings, stages: Stages
) -> tuple[Failure, ...]:
    """Repair what can be repaired; return what cannot, and why."""
    credentials = from_environment(ImagerySettings)

    def opened(name: str, collection: str) -> Fetcher:
        if name == FOLDER:
            return AnyFolder()
        try:
            return source_named(name, credentials, collection=collection)
        except ApiError as exc:
            raise SourceDenied(str(exc), href=name) from exc

    outcome = repair(
        archive,
        faults,
        opened,
        folder=settings.incoming,
        progress=stages.counter("Scenes", "影像"),
    )
    return outcome.failures
