"""Telling people and devices about alerts."""

from sensors.notify.channels import channel, shown
from sensors.notify.errors import ChannelInvalid, NotificationFailed
from sensors.notify.senders import (
    MailSender,
    MqttSender,
    Sender,
    SmtpServer,
    WebhookSender,
    signature,
)
from sensors.notify.service import Notifier, pause

__all__ = [
    "ChannelInvalid",
    "MailSender",
    "MqttSender",
    "NotificationFailed",
    "Notifier",
    "Sender",
    "SmtpServer",
    "WebhookSender",
    "channel",
    "pause",
    "shown",
    "signature",
]
