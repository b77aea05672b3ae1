"""From a folder of downloads into the archive, by plan, and nothing a second time."""

from pathlib import Path

from ingest.archive import Archive
from ingest.folders import FolderSource
from ingest.plan import Plan, make_plan
from ingest.transfer import carry_out
from tests.ingest.folders.builders import wanted
from tests.ingest.folders.landsat_builder import Landsat
from tests.ingest.folders.safe_builder import Safe, zipped
from tests.ingest.folders.test_drone import mosaic
from tests.ingest.folders.test_hls import S30, granule
from tests.ingest.folders.test_sentinel1 import hyp3


def _plan(archive: Archive, source: FolderSource) -> Plan:
    found = source.search(wanted())
    return make_plan(archive, source.name, found, clip=None, letters=("R", "N"))


def test_all_kinds_come_once_and_are_whole(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    zipped(Safe().at(downloads))
    Landsat().at(downloads)
    granule(downloads, S30, ("B04", "B8A", "Fmask"))
    hyp3(downloads)
    mosaic(downloads / "field-7.tif")
    source, archive = FolderSource(downloads), Archive(tmp_path / "archive")
    outcome = carry_out(
        _plan(archive, source), source, archive, folder=tmp_path / "staging"
    )
    archive.refresh_links()
    assert outcome.failures == ()
    assert len(outcome.added) == 5
    assert archive.verify() == []
    again = _plan(archive, source)
    assert (len(again.to_come), len(again.present)) == (0, 5)
