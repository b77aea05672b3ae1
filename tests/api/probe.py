"""A soil probe of one farm, and its way in."""

from api.fleet import Registration, add
from sensors.access import new_secret
from sensors.publisher import Login
from store import Store

__all__ = ["probe_login"]


def probe_login(store: Store) -> Login:
    """Register the device `probe` of the farm `home`; returns its login."""
    probe = Registration(
        device_id="probe",
        farm="home",
        kind="soil-probe",
        lon=124.34,
        lat=43.31,
        name_zh="墒情仪",
        name_en="Probe",
        thing="plot-1",
    )
    with store.connection() as conn:
        add(conn, probe, places=[])
        return Login(username="probe", password=new_secret(conn, "probe").secret)
