"""Many devices from one CSV file, and their secrets into another."""

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
from pydantic import ValidationError

from api.device_schemas import NewDevice
from api.errors import ApiError
from api.fleet import Registration, add, position, topics
from sensors.access import NewCredential, new_secret
from sensors.quantities import DEVICE_KINDS, QUANTITIES
from store import counties, devices

__all__ = ["DeviceListInvalid", "add_all", "read_list", "write_secrets"]

NAMED = ("id", "kind", "lon", "lat")
BESIDES = (
    *("name_zh", "name_en", "farm", "thing", "external_id", "gateway", "simulated"),
    "streams",
)
NEEDED, OPTIONAL = set(NAMED), set(BESIDES)
YES_NO = {"yes": True, "no": False, "是": True, "否": False, "1": True, "0": False}
MOST_FAULTS = 1000
_EUI = re.compile(r"[0-9A-Fa-f]{16}")


class DeviceListInvalid(ApiError):
    """A list of devices cannot be read, or some of its lines cannot."""


def read_list(conn: psycopg.Connection, path: Path) -> list[Registration]:
    """Read a list of devices: UTF-8, or GB 18030 as spreadsheets here write it.

    Raises
    ------
    DeviceListInvalid
        The file cannot be read; or lines cannot, or name what is registered already,
        and all of them are named.
    """
    table = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    good: list[Registration] = []
    faults: list[tuple[int, str]] = []
    names: list[tuple[int, str]] = []
    try:
        _check_columns(path, table.fieldnames or [])
        for row in table:
            names += [(table.line_num, name) for name in _names(row)]
            try:
                good.append(_registration(row))
            except ValueError as error:
                faults.append((table.line_num, str(error)))
    except csv.Error as error:
        faults.append((table.line_num + 1, str(error)))
    faults += _repeated(names)
    taken = devices.registered(conn, [name for _, name in names])
    faults += [
        (line, f"{name!r} is already registered · 已登记")
        for line, name in names
        if name in taken
    ]
    if faults:
        raise _invalid(path, faults)
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
            # A password cut from a line must not end in a carriage return.
            table = csv.writer(file, lineterminator="\n")
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
    told = {
        "missing 缺少": sorted(NEEDED - set(found)),
        "not known 未知": sorted(set(found) - NEEDED - OPTIONAL),
        "more than once 重复": sorted(
            {name for name in found if found.count(name) > 1}
        ),
    }
    faults = [f"{what}: {', '.join(names)}" for what, names in told.items() if names]
    if faults:
        raise DeviceListInvalid(
            f"{path}: columns 列名: {'; '.join(faults)}. The first line names them:"
            f" {', '.join(NAMED)}, and if wanted {', '.join(BESIDES)}"
            " · 第一行须为列名"
        )


def _invalid(path: Path, faults: Sequence[tuple[int, str]]) -> DeviceListInvalid:
    lines = [f"line {line}: {fault}" for line, fault in sorted(faults)]
    if len(lines) > MOST_FAULTS:
        lines[MOST_FAULTS:] = [f"and {len(lines) - MOST_FAULTS} more · 其余从略"]
    told = "\n  ".join(lines)
    return DeviceListInvalid(
        f"{path}: nothing was registered · 设备表有误，未登记任何设备\n  {told}"
    )


def _names(row: Mapping[str, str | None]) -> set[str]:
    """Return what messages may come under: the id, and the external id if any."""
    found = (row.get("id") or "", row.get("external_id") or "")
    return {name.strip() for name in found if name.strip()}


def _repeated(names: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    faults = []
    for line, name in names:
        # Networks do not agree on the case of an EUI.
        key = name.lower() if _EUI.fullmatch(name) else name
        if first.setdefault(key, line) != line:
            faults.append((line, f"{name!r} is on line {first[key]} too · 编号重复"))
    return faults


def _registration(row: Mapping[str, str]) -> Registration:
    if None in row or None in row.values():
        raise ValueError("has not as many cells as the head")
    cells = {name: text.strip() for name, text in row.items() if text.strip()}
    faults: list[str] = []
    streams = _streams(cells.pop("streams", ""), faults)
    gateway = _yes_no("gateway", cells, faults)
    simulated = _yes_no("simulated", cells, faults)
    if "kind" in cells and cells["kind"] not in DEVICE_KINDS:
        faults.append(
            f"kind {cells['kind']!r} is unknown, see `heitu devices kinds` · 未知类型"
        )
    # The rules are those of the HTTP interface.
    try:
        new = NewDevice.model_validate(cells)
    except ValidationError as error:
        faults += _told(error)
    if faults:
        raise ValueError(", ".join(faults))
    return replace(
        new.registration(),
        gateway=gateway,
        simulated=bool(simulated),
        streams=streams,
    )


def _streams(cell: str, faults: list[str]) -> list[tuple[str, str]]:
    good = []
    for text in cell.split():
        try:
            asked = position(text)
        except ValueError as error:
            faults.append(str(error))
            continue
        if asked[0] in QUANTITIES:
            good.append(asked)
        else:
            faults.append(
                f"streams {text!r}: quantity {asked[0]!r} is unknown · 未知的测量量"
            )
    return good


def _yes_no(name: str, cells: dict[str, str], faults: list[str]) -> bool | None:
    """Take a cell out; None where it is empty."""
    text = cells.pop(name, None)
    if text is not None and text.lower() not in YES_NO:
        faults.append(f"{name} {text!r}: yes or no · 请填是或否")
        return None
    return None if text is None else YES_NO[text.lower()]


def _told(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    ]
