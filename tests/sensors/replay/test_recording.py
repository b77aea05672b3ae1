from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook

from sensors.replay import Reading, RecordingInvalid, read_recording

BERLIN = ZoneInfo("Europe/Berlin")
CHINA = ZoneInfo("Asia/Shanghai")
# 2026-11-23T05:30:00Z
T_US = 1_795_411_800_000_000


def written(folder: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path = folder / "recorded.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path) -> list[Reading]:
    return list(read_recording(path, zone=CHINA).readings)


def test_long_table(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "device,time,quantity,value,unit\n"
        "ws-1,2026-11-23T05:30:00Z,air_temperature,37.4,[degF]\n"
        "ws-1,2026-11-23 13:30,relative_humidity,71,\n"
        "ws-2,2026-11-23T14:30:00+09:00,co2,,\n",
    )
    assert read(path) == [
        Reading("ws-1", T_US, "air_temperature", "[degF]", 37.4),
        Reading("ws-1", T_US, "relative_humidity", None, 71.0),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_wide_table(tmp_path: Path, encoding: str, separator: str) -> None:
    rows = [
        ["Time", "Device", "soil_moisture@0.2 [%]", "battery", ""],
        ["2026-11-23 13:30:00", "墒情1号", "24.5", "3.6", "1"],
        ["2026-11-23 13:30:00", "墒情2号", "", "", "2"],
    ]
    text = "\n".join(separator.join(row) for row in rows)
    assert read(written(tmp_path, text, encoding=encoding)) == [
        Reading("墒情1号", T_US, "soil_moisture@0.2", "%", 24.5),
        Reading("墒情1号", T_US, "battery", None, 3.6),
    ]


def test_workbook_with_real_times(tmp_path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["device", "time", "battery"])
    book.active.append([117, datetime(2026, 11, 23, 13, 30), 3.6])  # noqa: DTZ001
    book.save(tmp_path / "recorded.xlsx")
    recording = read_recording(tmp_path / "recorded.xlsx", zone=CHINA, prefix="cow-")
    assert recording.readings == [Reading("cow-117", T_US, "battery", None, 3.6)]


@pytest.mark.parametrize(
    ("stated", "expected", "doubtful"),
    [
        ("2019-03-30 02:30", "2019-03-30T01:30Z", 0),
        # Skipped: the clocks went from 02:00 to 03:00.
        ("2019-03-31 02:30", "2019-03-31T01:30Z", 1),
        ("2019-03-31 04:00", "2019-03-31T02:00Z", 0),
        # Twice: the first one counts.
        ("2019-10-27 02:30", "2019-10-27T00:30Z", 1),
        ("2019-10-27T02:30+01:00", "2019-10-27T01:30Z", 0),
    ],
)
def test_times_without_an_offset_are_of_the_zone(
    tmp_path: Path, stated: str, expected: str, doubtful: int
) -> None:
    path = written(tmp_path, f"device,time,co2\nws-1,{stated},410\n")
    recording = read_recording(path, zone=BERLIN)
    seconds = int(datetime.fromisoformat(expected).timestamp())
    assert [reading.time_us for reading in recording.readings] == [seconds * 1_000_000]
    assert recording.clock_changes == doubtful


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("device,time,quantity,value\n", "has no readings"),
        ("device,time,co2\nws-1,2026-11-23,\n", "has no readings"),
        ("device,quantity,value\nws-1,co2,1\n", "columns device, quantity, value"),
        ("device,time\nws-1,2026-11-23\n", "columns device, time"),
        ("device,time,co2,CO2\n", "column 'co2' occurs twice"),
        ("device,time,co2\nws-1,23/11/2026,1\n", "row 2: time '23/11/2026' is not"),
        ("device,time,co2\nws-1,,1\n", "row 2: time '' is not ISO 8601"),
        ("device,time,co2\nws-1,0001-01-01,1\n", "row 2: .*out of range"),
        ("device,time,co2\nws-1,2026-11-23,x\n", "row 2: co2: 'x' is not a number"),
        ("device,time,co2\nws-1,2026-11-23,nan\n", "row 2: co2: 'nan' is not"),
        ("device,time,co2\nws-1,2026-11-23,1e999\n", "row 2: co2: '1e999' is not"),
        ("device,time,co2\n,2026-11-23,1\n", "row 2: device '' cannot"),
        ("device,time,co2\nfarm/ws,2026-11-23,1\n", "row 2: device 'farm/ws' cannot"),
        ("device,time,co2\nws+1,2026-11-23,1\n", "row 2: device .* cannot stand"),
        ("device,time,quantity,value\na,2026-11-23,,1\n", "quantity is empty"),
    ],
)
def test_refused_tables(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(RecordingInvalid, match=reason):
        read(written(tmp_path, text))


def test_refused_files(tmp_path: Path) -> None:
    with pytest.raises(RecordingInvalid, match="No such file"):
        read(tmp_path / "nothing.csv")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(RecordingInvalid, match="is empty"):
        read(tmp_path / "empty.csv")
    (tmp_path / "text.xlsx").write_text("device,time,co2")
    with pytest.raises(RecordingInvalid, match="not a workbook"):
        read(tmp_path / "text.xlsx")
    (tmp_path / "binary.csv").write_bytes(b"device,time,co2\n\xff\xff\xff\xff")
    with pytest.raises(RecordingInvalid, match="neither UTF-8 nor GB18030"):
        read(tmp_path / "binary.csv")


# Readable rows, readings and sums as pandas 3.1 with openpyxl and xlrd counts them.
EXPORTS = [
    ("schema_50days/Cows_13.1. - 27.1.xlsx", 27, 18_182, 5_574, 0, 0),
    ("schema_50days/Cows_29.12. - 12.1.xlsx", 32, 21_479, 6_394, 0, 0),
    ("schema_50days/Cows_5.3. - 12.3.xls", 10, 6_366, -5_287, 0, 0),
    ("reader_cases/excel_ger.xls", 10, 6_366, -5_287, 0, 0),
    ("schema_weekly/February 4 2019.xlsx", 86, 6_400, -3_872, 6_586, 258_636),
    ("schema_weekly/February 11 2019.xlsx", 79, 6_381, -11_266, 6_562, 250_733),
    ("schema_weekly/February 18 2019.xlsx", 78, 6_470, -5_819, 6_496, 244_330),
    ("schema_weekly/February 25 2019.xlsx", 83, 6_204, -6_679, 6_309, 232_593),
]


@pytest.mark.parametrize(("name", "cows", "n", "total", "raw_n", "raw_total"), EXPORTS)
def test_real_exports(
    shared_data: Path,
    name: str,
    cows: int,
    n: int,
    total: int,
    raw_n: int,
    raw_total: int,
) -> None:
    path = shared_data / "heat_detection" / name
    recording = read_recording(path, zone=BERLIN, prefix="cow-")
    change, raw = (
        [one.value for one in recording.readings if one.name == wanted]
        for wanted in ("activity_change", "motion_index")
    )
    assert (len(change), sum(change)) == (n, total)
    assert (len(raw), sum(raw)) == (raw_n, raw_total)
    assert len({one.device_id for one in recording.readings}) == cows


def test_twelve_hour_clock_of_a_real_export(shared_data: Path) -> None:
    path = shared_data / "heat_detection/schema_weekly/February 4 2019.xlsx"
    times = [
        datetime.fromtimestamp(one.time_us / 1e6, UTC)
        for one in read_recording(path, zone=BERLIN).readings
    ]
    # The first is "12:00 AM", the last "8:00 PM", an hour before their UTC.
    assert times[0] == datetime(2019, 1, 27, 23, tzinfo=UTC)
    assert times[-1] == datetime(2019, 2, 3, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text_malformed.xlsx", "columns A, B, C"),
        ("zero_byte_file.xls", "is empty: export it again"),
    ],
)
def test_real_files_that_are_no_exports(
    shared_data: Path, name: str, reason: str
) -> None:
    with pytest.raises(RecordingInvalid, match=reason):
        read(shared_data / "heat_detection/reader_cases" / name)
