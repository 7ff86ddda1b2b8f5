"""`merchantctl run` as a process, with its web: what it hears is acted upon, what it saw is shown and told."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.emulator import Emulator
from tests.end_to_end.place import Place
from tests.end_to_end.run_process import running_controller
from tests.web.conftest import SECRET, Chat

EVENTS = ["connection.connected", "connection.disconnected", "read.completed.initial"]


def listened_to(emulator: Emulator, address: str) -> None:
    """A consumer of the newer service, that signs with our secret."""
    made = emulator.api.post("/webhooks", json={"url": f"{address}/webhooks", "eventTypes": EVENTS}).json()
    emulator.control("PATCH", f"/webhooks/{made['id']}", {"secret": SECRET})


def page(address: str, path: str = "/") -> str:
    return " ".join(httpx.get(address + path, trust_env=False).text.split())


def test_consent_and_its_end_are_acted_upon_shown_and_told(emulator: Emulator, tmp_path: Path, chat: Chat) -> None:
    """Everyone is looked at hourly here: what happens within seconds is the webhooks' doing."""
    place = Place(tmp_path, emulator)
    place.profile()
    place.merchant("acme")
    secrets = {"MERCHANTCTL_WEBHOOK_SECRET": f"whsec_b2xk {SECRET}", "MERCHANTCTL_NOTIFY_URL": chat.url}
    with running_controller(place, "--resync", "1h", **secrets) as watch:
        listened_to(emulator, watch.address)
        watch.wait_until(lambda: watch.passes)
        place.consent_everyone()
        watch.wait_until(lambda: place.document("acme")["enabled"])

        connection = place.accounting_connection("acme")["id"]
        emulator.control("POST", f"/companies/{place.company('acme')['id']}/connections/{connection}/deauthorize")
        (told,) = watch.wait_until(lambda: chat.heard)
        assert told["text"].startswith("merchantctl: 1 new drift finding\nacme: connection-deauthorized")
        assert [each["code"] for each in told["drift"]["findings"]] == ["connection-deauthorized"]

        watch.wait_until(lambda: "connection-deauthorized" in page(watch.address))
        assert "<b>1</b>waiting" in page(watch.address)
        assert "/start" in page(watch.address, "/merchants/acme")
        assert 'merchantctl_merchants{state="waiting"} 1.0' in page(watch.address, "/metrics")
        assert "merchantctl_oldest_look_limit_seconds 3960.0" in page(watch.address, "/metrics")
        assert 'merchantctl_notifications_total{result="sent"} 1.0' in page(watch.address, "/metrics")
    assert SECRET not in watch.text
    assert "b2xk" not in watch.text
    assert chat.url not in watch.text
