"""PostgreSQL, embedded or by URL: the only room with SQL.

The tables are modules of their own (`store.counties`, `store.readings` ...), imported
where they are used: the ingest of devices needs no data frames and no geometry.
"""

from store.database import Store, open_store
from store.errors import (
    CountyUnknown,
    DatabaseFull,
    DatabaseNewer,
    DatabaseTooOld,
    DatabaseUnavailable,
    DataFolderLocked,
    DataFolderUnusable,
    DeviceExists,
    DeviceUnknown,
    MigrationChanged,
    MigrationFailed,
    RowRefused,
    RunConflict,
    RunInvalid,
    RunUnknown,
    ServerStartFailed,
    StoreError,
    StreamUnknown,
)
from store.lock import lock_folder

__all__ = [
    "CountyUnknown",
    "DataFolderLocked",
    "DataFolderUnusable",
    "DatabaseFull",
    "DatabaseNewer",
    "DatabaseTooOld",
    "DatabaseUnavailable",
    "DeviceExists",
    "DeviceUnknown",
    "MigrationChanged",
    "MigrationFailed",
    "RowRefused",
    "RunConflict",
    "RunInvalid",
    "RunUnknown",
    "ServerStartFailed",
    "Store",
    "StoreError",
    "StreamUnknown",
    "lock_folder",
    "open_store",
]
