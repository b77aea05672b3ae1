"""Settings of the ways in for devices, and of what is done with their readings."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["SensorSettings"]


class SensorSettings(BaseSettings):
    """Read from the environment (prefix ``HEITU_``); secrets are never shown."""

    model_config = SettingsConfigDict(env_prefix="HEITU_")

    mqtt_tls_port: int = Field(default=8883, ge=0, le=65_535)
    """Port for devices with TLS; opened only where there is a certificate."""

    mqtt_tls_certificate: Path | None = None
    """Certificate chain of the MQTT endpoint, PEM."""

    mqtt_tls_key: Path | None = None
    """Its private key, PEM."""

    mqtt_tls_client_ca: Path | None = None
    """Authority whose client certificates are asked for; none: passwords alone."""

    device_messages_per_minute: int = Field(default=600, ge=0)
    """Messages that one device may send in a minute; more wait. 0: any number."""

    device_megabytes_per_day: int = Field(default=50, ge=0)
    """Payload that one device may send in a day; more waits. 0: any amount."""

    retention_days: int | None = Field(default=None, ge=1)
    """Days after which readings are dropped, their hourly values kept; none: never."""

    compress_days: int = Field(default=30, ge=1)
    """Days after which readings are compressed, where TimescaleDB can."""

    broker_host: str = "127.0.0.1"
    """MQTT broker that `heitu subscribe` takes messages from."""

    broker_port: int = Field(default=1883, ge=1, le=65_535)
    """Its port."""

    broker_username: str = "heitu-ingest"
    """User name there."""

    broker_password_file: Path | None = None
    """File that holds the password."""

    broker_ca: Path | None = None
    """Authority of the broker's certificate, PEM; none: without TLS."""

    broker_group: str | None = None
    """Shared subscription: workers of one group divide the messages among them."""

    broker_client_id: str = "heitu-ingest"
    """Name of the session the broker keeps; every worker needs one of its own."""

    smtp_host: str | None = None
    """Mail server for alerts; none: no mail is sent."""

    smtp_port: int = Field(default=587, ge=1, le=65_535)
    """Its port."""

    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted: ``tls`` from the first byte, usually on 465."""

    smtp_username: str | None = None
    """User name there."""

    smtp_password: SecretStr | None = None
    """Its password."""

    smtp_sender: str | None = None
    """Address that alerts are sent from."""
