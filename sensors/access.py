"""Who may come in, kept in the store: credentials, revocation, presence."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg

from sensors.endpoint.authentication import (
    AuthenticatorUnavailable,
    Login,
    Principal,
    Refusal,
)
from sensors.mqtt.codes import ReasonCode
from sensors.passwords import NOBODY, hash_secret, make_secret, matches
from sensors.running import Running
from store import DatabaseUnavailable, Store, claims, credentials, presence
from store.credentials import Access, Ended
from store.presence import Presence

__all__ = [
    "NewCredential",
    "RevocationWatch",
    "StoreAuthenticator",
    "StorePresence",
    "claim",
    "new_secret",
]

logger = logging.getLogger(__name__)

# The database is away or busy: the same may succeed later.
TRANSIENT = (DatabaseUnavailable, psycopg.Error)
# As many as can be valid at once.
CHECKS = 2
# A transaction that took longer to commit would end a session late, if ever.
LONGEST_TRANSACTION = timedelta(minutes=5)
# Seconds between attempts to write while the database is away.
PAUSE = 1.0

Kick = Callable[[Sequence[str], ReasonCode], None]
"""Closes the live sessions of devices; callable from any thread."""


@dataclass(frozen=True, slots=True)
class NewCredential:
    """The secret of a device: shown now, and never again."""

    device_id: str
    secret: str = field(repr=False)


def new_secret(
    conn: psycopg.Connection, device_id: str, *, overlap: timedelta | None = None
) -> NewCredential:
    """Give a device a new secret; the one before stays valid for ``overlap``.

    Without ``overlap`` it stays until it is retired, or a third is given.

    Raises
    ------
    store.DeviceUnknown
    """
    secret = make_secret()
    credentials.issue(conn, device_id, hash_secret(secret), overlap=overlap)
    return NewCredential(device_id, secret)


def claim(
    conn: psycopg.Connection, code: str, *, hardware_id: str, address: str
) -> NewCredential | None:
    """Give the device of a claim code a secret, once; None when the code is not good.

    What was valid before ends: whoever held it is no longer the device. Let the
    transaction commit in either case.
    """
    device_id = claims.redeem(conn, code, hardware_id=hardware_id, address=address)
    if device_id is None:
        return None
    credentials.revoke(conn, device_id)
    return new_secret(conn, device_id)


class StoreAuthenticator:
    """Lets devices in by the credentials of the store.

    Nothing is remembered: who is revoked is refused from the COMMIT on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def authenticate(self, logins: Sequence[Login]) -> list[Principal | Refusal]:
        """Answer each login, in order, with one query for all of them.

        Raises
        ------
        AuthenticatorUnavailable
            The database is away.
        """
        try:
            with self._store.connection() as conn:
                known = credentials.access(conn, {login.device_id for login in logins})
        except TRANSIENT as error:
            raise AuthenticatorUnavailable(
                "credentials cannot be looked up: the database does not answer"
                " · 数据库没有响应，暂时无法验证设备"
            ) from error
        return [_answer(login, known.get(login.device_id)) for login in logins]


def _answer(login: Login, access: Access | None) -> Principal | Refusal:
    hashes = access.hashes if access is not None else ()
    # As many checks for an unknown device, and after the right one was found: the time
    # must tell neither.
    padded = (*hashes, *[NOBODY] * CHECKS)[: max(CHECKS, len(hashes))]
    right = [matches(hashed, login.password) for hashed in padded]
    if access is None or not any(right):
        return Refusal.CREDENTIALS
    return Principal(access.device_id, access.farm, access.gateway)


class RevocationWatch(Running):
    """Closes the sessions of devices that lost a credential or were disabled.

    Asks the store again and again, so it does not matter which process revoked. A
    session does not remember the credential it came with: it is closed whichever ended,
    and a device that holds another comes back.

    Parameters
    ----------
    store
        Where the credentials are.
    kick
        Closes sessions.
    every
        Seconds between questions.
    """

    def __init__(self, store: Store, kick: Kick, *, every: float = 1.0) -> None:
        self._store = store
        self._kick = kick
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="revocation-watch", daemon=True
        )
        self._asked_at: datetime | None = None
        self._known: set[Ended] = set()
        self._again: set[str] = set()

    @property
    def running(self) -> bool:
        """Whether revocations are noticed."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start asking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop asking; harmless when it was never started."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> None:
        """Ask once and close what has ended.

        Raises
        ------
        store.DatabaseUnavailable, psycopg.InterfaceError
            The database is away; the next call asks for the same and more.
        """
        fresh = {ended.device_id for ended in self._news()}
        # Once more the next time: a device that was being let in while its credential
        # ended may have had no session yet.
        if due := fresh | self._again:
            self._kick(sorted(due), ReasonCode.ADMINISTRATIVE_ACTION)
        self._again = fresh

    def _news(self) -> list[Ended]:
        with self._store.connection() as conn:
            if self._asked_at is None:
                self._asked_at, _ = credentials.ended(conn, since=None)
            since = self._asked_at - LONGEST_TRANSACTION
            self._asked_at, ended = credentials.ended(conn, since=since)
        fresh = [each for each in ended if each not in self._known]
        # All that the next question can return again.
        self._known = set(ended)
        return fresh

    def _run(self) -> None:
        away = False
        while not self._stopped.wait(self._every):
            try:
                self.look()
            except TRANSIENT as error:
                # Said once, not every second.
                if not away:
                    logger.warning("revocations cannot be looked up: %s", error)
                away = True
            else:
                away = False


class StorePresence(Running):
    """Writes the coming and going of devices into the store, off the caller's thread.

    Only the last state of each device waits to be written, so the memory is bounded by
    the number of devices however long the database is away.

    Parameters
    ----------
    store
        Where it is written.
    listener
        Name of the door, the same at each start: sessions that an earlier process of
        this name left open are closed at the start.
    """

    def __init__(self, store: Store, *, listener: str = "endpoint") -> None:
        self._store = store
        self._listener = listener
        self._live: dict[str, Presence] = {}
        self._waiting: dict[str, Presence] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Close what an earlier process left open, and start writing.

        Raises
        ------
        store.DatabaseUnavailable
        """
        with self._store.connection() as conn:
            presence.close_all(conn, listener=self._listener, reason="listener killed")
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and close what is still open; then release the thread.

        What cannot be written because the database is away is closed at the next start.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def connected(self, device_id: str, at_us: int, address: str) -> None:
        """Hear that a device was let in; does not block."""
        session = Presence(device_id, address, _time(at_us), None, None)
        with self._changed:
            self._live[device_id] = session
            self._note(session)

    def disconnected(self, device_id: str, at_us: int, reason: str) -> None:
        """Hear that a session is over; does not block."""
        with self._changed:
            session = self._live.pop(device_id, None)
            # One that nobody told of has ended already.
            if session is not None:
                self._note(
                    replace(session, disconnected_at=_time(at_us), reason=reason)
                )

    def _note(self, session: Presence) -> None:
        self._waiting[session.device_id] = session
        self._changed.notify_all()

    def _run(self) -> None:
        while not self._stopping:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
            if not self._write():
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, timeout=PAUSE)
        if self._write():
            self._close()

    def _write(self) -> bool:
        """Write all that waits; False, and nothing lost, when the database is away."""
        with self._changed:
            taken, self._waiting = self._waiting, {}
        try:
            with self._store.connection() as conn:
                presence.record(conn, list(taken.values()), listener=self._listener)
        except TRANSIENT as error:
            logger.warning("%d sessions wait to be written: %s", len(taken), error)
            with self._changed:
                # What came in the meantime is newer.
                self._waiting = taken | self._waiting
            return False
        return True

    def _close(self) -> None:
        try:
            with self._store.connection() as conn:
                presence.close_all(
                    conn, listener=self._listener, reason="listener stopped"
                )
        except TRANSIENT as error:
            logger.warning("sessions stay open until the next start: %s", error)


def _time(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
