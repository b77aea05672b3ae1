"""What the routes about devices take and give."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

from api import schemas
from api.fleet import Registration

__all__ = [
    "Bucket",
    "Claim",
    "ClaimAsked",
    "Counts",
    "Credential",
    "Device",
    "DeviceCounts",
    "DeviceDetail",
    "Devices",
    "Gap",
    "Gaps",
    "MessageCounts",
    "MqttAddress",
    "NewDevice",
    "NewStream",
    "Provision",
    "Provisioned",
    "Quarantine",
    "Quarantined",
    "Registered",
    "Replay",
    "Replayed",
    "Revoked",
    "Rotation",
    "Series",
    "Session",
    "Stream",
    "StreamSeries",
    "Topics",
    "ValidCredential",
]

DeviceId = Annotated[str, Field(pattern=r"^[\w.:-]{1,128}$")]
Farm = Annotated[str, Field(pattern=r"^[\w.:-]{1,128}$")]
Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Count = Annotated[int, Field(ge=0)]


class Asked(BaseModel):
    """A request's body: what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class MessageCounts(BaseModel):
    """Messages and readings by where they ended; they add up."""

    model_config = ConfigDict(from_attributes=True)

    received: Count
    stored: Count
    duplicate: Count
    conflict: Count
    quarantined: Count
    readings_received: Count
    readings_stored: Count
    readings_duplicate: Count
    readings_conflict: Count
    readings_corrected: Count


class Counts(BaseModel):
    """Since the database was made, and of this process since its start."""

    total: MessageCounts
    process: dict[str, float]


class DeviceCounts(BaseModel):
    """Of one device; `clock_skew_s` is receipt minus device time, the median."""

    device: str
    counts: MessageCounts
    last_seen: datetime | None
    last_time: datetime | None
    clock_skew_s: float | None


class Stream(BaseModel):
    """One quantity of one thing, at a position of the device, from a time on."""

    model_config = ConfigDict(from_attributes=True)

    quantity: str
    unit: str
    thing: str
    position: str
    since: datetime


class Device(BaseModel):
    """A device with the newest reading of each of its streams.

    `last_seen` is when its last message came; `online` whether it is connected here.
    """

    id: str
    external_id: str | None
    farm: str
    name_zh: str
    name_en: str
    kind: str
    gateway: bool
    lon: float
    lat: float
    county: str | None
    simulated: bool
    disabled: bool
    online: bool
    last_seen: datetime | None
    latest: list[schemas.Reading]
    counts: MessageCounts | None


class Devices(BaseModel):
    """Devices; `next` is the id after which the next page begins, null at the end."""

    devices: list[Device]
    next: str | None


class Session(BaseModel):
    """The last connection of a device to this platform."""

    model_config = ConfigDict(from_attributes=True)

    address: str
    connected_at: datetime
    disconnected_at: datetime | None
    reason: str | None


class ValidCredential(BaseModel):
    """A credential that lets the device in now; its secret is known to nobody here."""

    model_config = ConfigDict(from_attributes=True)

    issued_at: datetime
    valid_until: datetime | None


class DeviceDetail(Device):
    """A device with all there is to know about it."""

    created_at: datetime
    disabled_at: datetime | None
    streams: list[Stream]
    session: Session | None
    credentials: list[ValidCredential]


class Gap(BaseModel):
    """Numbers of messages that did not come, `first` to `last`."""

    first: int
    last: int


class Gaps(BaseModel):
    """What a device sent and what did not come, by its own numbers."""

    device: str
    missing: int
    gaps: list[Gap]


class Bucket(BaseModel):
    """An hour or a day: `n` good readings, `bad_n` others; values null without good."""

    time: datetime
    n: int
    bad_n: int
    mean: float | None
    min: float | None
    max: float | None
    last: float | None


class StreamSeries(BaseModel):
    """Buckets of one thing at one position."""

    thing: str
    position: str
    unit: str
    buckets: list[Bucket]


class Series(BaseModel):
    """Hours or local days (UTC+8) of one quantity of a device, oldest first."""

    device: str
    quantity: str
    step: Literal["1h", "1d"]
    simulated: bool
    series: list[StreamSeries]


class NewStream(Asked):
    """A quantity at a position of the device, for example a depth in metres."""

    quantity: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
    position: Annotated[str, Field(pattern=r"^[\w.-]{0,64}$")] = ""


class NewDevice(Asked):
    """A device to be registered.

    `streams` take the place of what the kind gives for the same quantities.
    """

    id: DeviceId
    kind: str
    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]
    farm: Farm = "home"
    name_zh: Name = ""
    name_en: Name = ""
    thing: Name = ""
    external_id: DeviceId | None = None
    gateway: bool | None = None
    simulated: bool = False
    streams: Annotated[list[NewStream], Field(max_length=1000)] = []
    credential: bool = True

    def registration(self) -> Registration:
        """Return it as the fleet takes it."""
        return Registration(
            device_id=self.id,
            farm=self.farm,
            kind=self.kind,
            lon=self.lon,
            lat=self.lat,
            name_zh=self.name_zh,
            name_en=self.name_en,
            thing=self.thing,
            external_id=self.external_id,
            gateway=self.gateway,
            simulated=self.simulated,
            streams=[(stream.quantity, stream.position) for stream in self.streams],
        )


class Topics(BaseModel):
    """Where a device publishes, and where it hears commands."""

    up: str
    state: str
    down: str


class MqttAddress(BaseModel):
    """Where devices connect."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    tls: bool = False


class Credential(BaseModel):
    """A secret, shown once: store it in the device now."""

    username: str
    password: SecretStr

    @field_serializer("password", when_used="json")
    def _shown(self, password: SecretStr) -> str:
        return password.get_secret_value()


class Registered(BaseModel):
    """A device that was registered, with its credential if one was asked for."""

    id: str
    topics: Topics
    credential: Credential | None


class Rotation(Asked):
    """How long the secret before stays valid; null: until it is retired."""

    overlap_hours: Annotated[float, Field(ge=0, le=8760)] | None = 168


class ClaimAsked(Asked):
    """How long a claim code can be used."""

    valid_hours: Annotated[float, Field(gt=0, le=8760)] = 168

    @property
    def valid_for(self) -> timedelta:
        """As a length of time."""
        return timedelta(hours=self.valid_hours)


class Claim(BaseModel):
    """A claim code, shown once."""

    device: str
    claim: str
    valid_until: datetime


class Revoked(BaseModel):
    """How many credentials ended."""

    device: str
    ended: int


class Provision(Asked):
    """A device that asks for its identity."""

    claim: Annotated[SecretStr, Field(min_length=1, max_length=100)]
    hardware_id: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,200}$")]


class Provisioned(BaseModel):
    """The identity of a device, shown once; `mqtt` is null where nothing listens."""

    device_id: str
    username: str
    password: SecretStr
    topics: Topics
    mqtt: MqttAddress | None

    @field_serializer("password", when_used="json")
    def _shown(self, password: SecretStr) -> str:
        return password.get_secret_value()


class Quarantined(BaseModel):
    """A message that could not be stored; `payload` is base64."""

    id: int
    topic: str
    payload: str
    truncated: bool
    reason: str
    first_received_at: datetime
    last_received_at: datetime
    count: int
    device: str | None


class Quarantine(BaseModel):
    """Messages that could not be stored, the latest first."""

    messages: list[Quarantined]


class Replay(Asked):
    """Which messages to try again; null: all."""

    ids: Annotated[list[int], Field(max_length=10_000)] | None = None


class Replayed(BaseModel):
    """Where the messages of a replay ended; `still` are in quarantine as before."""

    model_config = ConfigDict(from_attributes=True)

    stored: int
    duplicate: int
    conflict: int
    still: int
