"""Many devices from one CSV file, and their secrets into another."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from pydantic import ValidationError

from api.device_schemas import NewDevice, NewStream
from api.errors import ApiError
from api.fleet import Registration, add, position, topics
from sensors.access import NewCredential, new_secret
from store import counties

__all__ = ["DeviceListInvalid", "add_all", "read_list", "write_secrets"]

NEEDED = {"id", "kind", "lon", "lat"}
OPTIONAL = {
    *("name_zh", "name_en", "farm", "thing", "external_id", "gateway", "streams")
}
YES_NO = {"yes": True, "no": False, "是": True, "否": False, "1": True, "0": False}
MOST_FAULTS = 10


class DeviceListInvalid(ApiError):
    """A list of devices cannot be read, or some of its lines cannot."""


def read_list(path: Path) -> list[Registration]:
    """Read a list of devices: UTF-8, or GB 18030 as spreadsheets here write it.

    Raises
    ------
    DeviceListInvalid
        The file cannot be read; or lines cannot, and all of them are named.
    """
    table = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    good: list[Registration] = []
    faults: list[str] = []
    try:
        _check_columns(path, table.fieldnames or [])
        for row in table:
            try:
                good.append(_registration(row))
            except ValueError as error:
                faults.append(f"line {table.line_num}: {_fault(error)}")
    except csv.Error as error:
        faults.append(f"line {table.line_num + 1}: {error}")
    if faults:
        more = len(faults) - MOST_FAULTS
        told = "; ".join(faults[:MOST_FAULTS]) + (f"; {more} more" if more > 0 else "")
        raise DeviceListInvalid(
            f"{path}: {told}. Nothing was registered · 设备表有误，未登记任何设备"
        )
    return good


def add_all(
    conn: psycopg.Connection,
    registrations: Sequence[Registration],
    *,
    credentials: bool,
) -> list[tuple[Registration, NewCredential]]:
    """Register devices in a transaction of the caller; returns their secrets.

    Raises
    ------
    sensors.SensorsError, store.DeviceExists, store.RowRefused
        Of the first that cannot be registered: roll back.
    """
    places = counties.all_counties(conn)
    made = []
    for registration in registrations:
        add(conn, registration, places)
        if credentials:
            made.append((registration, new_secret(conn, registration.device_id)))
    return made


def write_secrets(
    path: Path, made: Sequence[tuple[Registration, NewCredential]]
) -> None:
    """Write secrets to a new CSV file that its owner alone can read.

    Raises
    ------
    DeviceListInvalid
        The file exists, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(("device", "topic", "username", "password"))
            for new, credential in made:
                up = topics(new.device_id, new.farm)["up"]
                table.writerow(
                    (new.device_id, up, credential.device_id, credential.secret)
                )
    except OSError as error:
        raise DeviceListInvalid(
            f"the secrets cannot be written to {path}: {error.strerror}; name a new"
            " file. Nothing was registered · 无法写入密钥文件，请换一个新文件名"
        ) from error


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DeviceListInvalid(
            f"{path} cannot be read: {error.strerror} · 无法读取设备表"
        ) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DeviceListInvalid(
        f"{path} is neither UTF-8 nor GB 18030: save it as CSV UTF-8"
        " · 编码不是 UTF-8 或 GB 18030"
    )


def _check_columns(path: Path, found: Sequence[str]) -> None:
    unknown = sorted(set(found) - NEEDED - OPTIONAL)
    missing = sorted(NEEDED - set(found))
    if unknown or missing or len(set(found)) != len(found):
        raise DeviceListInvalid(
            f"{path}: columns missing: {', '.join(missing) or 'none'}; not known:"
            f" {', '.join(unknown) or 'none'}; each once · 列名不符"
        )


def _registration(row: Mapping[str, str]) -> Registration:
    if None in row or None in row.values():
        raise ValueError("has not as many cells as the head")
    cells = {name: text.strip() for name, text in row.items() if text.strip()}
    streams = [position(text) for text in cells.pop("streams", "").split()]
    gateway = _yes_no(cells.pop("gateway", None))
    # The rules are those of the HTTP interface.
    new = NewDevice.model_validate(
        {
            **cells,
            "gateway": gateway,
            "streams": [NewStream(quantity=q, position=p) for q, p in streams],
        }
    )
    return Registration(
        device_id=new.id,
        farm=new.farm,
        kind=new.kind,
        lon=new.lon,
        lat=new.lat,
        name_zh=new.name_zh or new.id,
        name_en=new.name_en or new.id,
        thing=new.thing or new.id,
        external_id=new.external_id,
        gateway=new.gateway,
        streams=streams,
    )


def _yes_no(text: str | None) -> bool | None:
    if text is not None and text.lower() not in YES_NO:
        raise ValueError(f"gateway {text!r}: yes or no")
    return None if text is None else YES_NO[text.lower()]


def _fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return ", ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )
