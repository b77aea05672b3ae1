"""The sensors room put together: a way in, the writer, and what watches over both."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.errors import SettingInvalid
from api.sensor_settings import SensorSettings
from api.settings import Settings
from sensors.access import RevocationWatch, StoreAuthenticator, StorePresence
from sensors.alerts.service import AlertService
from sensors.commands import Courier, Dispatcher
from sensors.endpoint import Endpoint, Limits, Tls
from sensors.maintenance import Chore, Maintenance
from sensors.notify import (
    MailSender,
    MqttSender,
    Notifier,
    Sender,
    SmtpServer,
    WebhookSender,
)
from sensors.subscriber import Subscriber
from sensors.writer import Writer
from store import Store, ledger, quarantine, series

__all__ = ["mqtt_lines", "open_listening", "open_subscribing"]

logger = logging.getLogger(__name__)

LEDGER_EVERY = timedelta(seconds=10)
ROLLUP_EVERY = timedelta(minutes=1)
SERIES_EVERY = timedelta(hours=1)
QUARANTINE_EVERY = timedelta(minutes=10)
# Of the messages that nobody could read are kept: those of so long, so many, so many
# bytes. A device that sends nonsense must not fill the disk.
QUARANTINE_AGE = timedelta(days=90)
QUARANTINE_MESSAGES = 1_000_000
QUARANTINE_OCTETS = 1 << 30
# No COMMIT stays in doubt for so long.
WRITER_AGE = timedelta(days=30)
# Weeks made before they begin.
AHEAD = timedelta(days=14)
MEGABYTE = 1_000_000


@contextmanager
def open_listening(
    store: Store, settings: Settings, sensor_settings: SensorSettings
) -> Iterator[tuple[Endpoint, Writer]]:
    """Open the door for devices, with all that belongs to it.

    Raises
    ------
    sensors.SensorsError
        It cannot listen there, or its certificate cannot be used.
    """
    # The start and the stop of a door close the sessions under its name: those of a
    # second process on the same database are none of its business.
    door = f"{settings.host}:{settings.mqtt_port}"
    # Left in reverse order: first the door, then what it hands messages to.
    with Writer(store) as writer, StorePresence(store, listener=door) as presence:
        endpoint = Endpoint(
            writer,
            StoreAuthenticator(store),
            host=settings.host,
            port=settings.mqtt_port,
            tls=_tls(sensor_settings),
            tls_port=sensor_settings.mqtt_tls_port,
            limits=_limits(sensor_settings),
            presence=presence,
        )
        with (
            _watched(store, endpoint, sensor_settings),
            endpoint,
            RevocationWatch(store, endpoint.kick),
        ):
            yield endpoint, writer


@contextmanager
def open_subscribing(
    store: Store, sensor_settings: SensorSettings
) -> Iterator[tuple[Subscriber, Writer]]:
    """Take messages from an MQTT broker, with all that belongs to it.

    Raises
    ------
    sensors.BrokerUnreachable
        The broker does not answer, or refuses us.
    """
    password_file = sensor_settings.broker_password_file
    with Writer(store) as writer:
        subscriber = Subscriber(
            writer,
            host=sensor_settings.broker_host,
            port=sensor_settings.broker_port,
            client_id=sensor_settings.broker_client_id,
            group=sensor_settings.broker_group,
            username=sensor_settings.broker_username if password_file else None,
            password=_secret(password_file) if password_file else None,
            tls=sensor_settings.broker_ca,
        )
        with _watched(store, subscriber, sensor_settings), subscriber:
            yield subscriber, writer


@contextmanager
def _watched(
    store: Store, courier: Endpoint | Subscriber, sensor_settings: SensorSettings
) -> Iterator[None]:
    """Run what reads and tends the stored readings, and what sends commands."""
    dispatcher = Dispatcher(store, [courier])
    courier.on_delivered = dispatcher.delivered
    if isinstance(courier, Endpoint):
        courier.on_subscribed = dispatcher.wake
    with (
        dispatcher,
        AlertService(store),
        Notifier(store, _senders(courier, sensor_settings)),
        Maintenance(store, _chores(sensor_settings)),
    ):
        yield


def _senders(courier: Courier, sensor_settings: SensorSettings) -> dict[str, Sender]:
    senders: dict[str, Sender] = {
        "webhook": WebhookSender(),
        "mqtt": MqttSender([courier]),
    }
    if sensor_settings.smtp_host and sensor_settings.smtp_sender:
        senders["email"] = MailSender(
            SmtpServer(
                host=sensor_settings.smtp_host,
                port=sensor_settings.smtp_port,
                sender=sensor_settings.smtp_sender,
                username=sensor_settings.smtp_username,
                password=sensor_settings.smtp_password,
                security=sensor_settings.smtp_security,
            )
        )
    return senders


def _chores(sensor_settings: SensorSettings) -> list[Chore]:
    days = sensor_settings.retention_days
    keep = None if days is None else timedelta(days=days)
    old = timedelta(days=sensor_settings.compress_days)
    return [
        Chore("ledger", LEDGER_EVERY, _fold),
        Chore("hourly values", ROLLUP_EVERY, _refresh),
        Chore("quarantine", QUARANTINE_EVERY, _forget),
        Chore("weeks", SERIES_EVERY, lambda store: _tend(store, keep=keep, old=old)),
    ]


def _fold(store: Store) -> None:
    with store.connection() as conn:
        while ledger.fold(conn):
            conn.commit()


def _refresh(store: Store) -> None:
    with store.connection() as conn:
        series.refresh(conn)


def _forget(store: Store) -> None:
    now = datetime.now(UTC)
    with store.connection() as conn:
        ledger.forget_writers(conn, before=now - WRITER_AGE)
        dropped = quarantine.trim(
            conn,
            before=now - QUARANTINE_AGE,
            messages=QUARANTINE_MESSAGES,
            octets=QUARANTINE_OCTETS,
        )
    if dropped:
        logger.warning(
            "quarantine: %d old messages dropped, to keep at most %d days, %d messages"
            " and %d MiB · 隔离区已满，删除了 %d 条旧消息",
            *(dropped, QUARANTINE_AGE.days, QUARANTINE_MESSAGES),
            *(QUARANTINE_OCTETS >> 20, dropped),
        )


def _tend(store: Store, *, keep: timedelta | None, old: timedelta) -> None:
    now = datetime.now(UTC)
    with store.connection() as conn:
        series.ensure_partitions(conn, now, now + AHEAD)
        conn.commit()
        series.refresh_hints(conn)
        if keep is not None:
            series.apply_retention(conn, keep)
        if series.capabilities(conn).compression:
            conn.commit()
            series.compress(conn, old)


def _limits(sensor_settings: SensorSettings) -> Limits:
    return Limits(
        messages_per_minute=sensor_settings.device_messages_per_minute,
        bytes_per_day=sensor_settings.device_megabytes_per_day * MEGABYTE,
    )


def _tls(sensor_settings: SensorSettings) -> Tls | None:
    certificate, key = (
        sensor_settings.mqtt_tls_certificate,
        sensor_settings.mqtt_tls_key,
    )
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise SettingInvalid(
            "HEITU_MQTT_TLS_CERTIFICATE and HEITU_MQTT_TLS_KEY belong together: set"
            " both or none · TLS 证书与私钥必须同时设置"
        )
    return Tls(certificate, key, sensor_settings.mqtt_tls_client_ca)


def mqtt_lines(host: str, endpoint: Endpoint) -> list[str]:
    """Say where devices connect, for the terminal."""
    lines = [f"设备 MQTT   {host}:{endpoint.port}"]
    if endpoint.tls_port:
        lines.append(f"加密 TLS    {host}:{endpoint.tls_port}")
    return lines


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingInvalid(
            f"HEITU_BROKER_PASSWORD_FILE {file}: {exc} · 无法读取密码文件"
        ) from exc
