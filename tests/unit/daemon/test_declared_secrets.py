"""The signing secrets that manifests name are read where `run` is, anew every few seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.daemon.declared_secrets import DeclaredSecrets
from controller.model.desired import DesiredSettings, Fleet
from controller.model.hooks import DeclaredHook, Hook, HookKind, SecretRef
from controller.setting_secrets import MAX_SECRET_FILE_BYTES, read_named_secret
from state import open_state

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOOK = Hook(HookKind.CONSUMER, frozenset({"connection.deleted"}), "https://hooks.example.com")


def declaring(place: SecretRef) -> Fleet:
    settings = DesiredSettings(hooks={"consumers.main": DeclaredHook("main", HOOK, place)})
    return Fleet({}, frozenset(), (), True, "", account_settings=settings, has_account_documents=True)


async def test_the_secret_of_one_that_was_replaced_still_proves_what_it_sends(tmp_path: Path) -> None:
    places = {SecretRef("env", "OLD"): "whsec_b2xk", SecretRef("env", "NEW"): "whsec_bmV3"}
    now = NOON
    async with open_state(f"sqlite:///{tmp_path}/state.db") as store:
        await store.hooks.adopt_and_replace_others("consumer", "main", {"secret": ["env", "OLD"]}, "c1", NOON)
        secrets = DeclaredSecrets(store, lambda: declaring(SecretRef("env", "NEW")), places.get, lambda: now)
        assert await secrets() == {"env OLD": "whsec_b2xk", "env NEW": "whsec_bmV3"}
        del places[SecretRef("env", "OLD")]
        assert "env OLD" in await secrets(), "who proves nothing does not keep the disk busy"
        now += timedelta(seconds=6)
        assert await secrets() == {"env NEW": "whsec_bmV3"}


async def test_while_the_state_is_away_a_replaced_one_proves_itself_as_before(tmp_path: Path) -> None:
    """It is asked to come again then; refused, it would not."""
    places, database = {SecretRef("env", "OLD"): "whsec_b2xk"}, tmp_path / "state.db"
    now = NOON
    async with open_state(f"sqlite:///{database}") as store:
        await store.hooks.adopt_and_replace_others("consumer", "main", {"secret": ["env", "OLD"]}, "c1", NOON)
        secrets = DeclaredSecrets(store, lambda: declaring(SecretRef("env", "NEW")), places.get, lambda: now)
        assert await secrets() == {"env OLD": "whsec_b2xk"}
        database.rename(tmp_path / "elsewhere")
        now += timedelta(seconds=6)
        assert await secrets() == {"env OLD": "whsec_b2xk"}
        (tmp_path / "elsewhere").rename(database)


def test_a_place_holds_a_secret_or_none_and_nothing_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\ufeffwhsec_b25l\n")
    (tmp_path / "long").write_text("x" * (MAX_SECRET_FILE_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    def read(kind: str, name: str) -> str | None:
        return read_named_secret(kind, name, {"SET": " whsec_dHdv ", "EMPTY": ""}, tmp_path)

    assert (read("file", "secret"), read("env", "SET")) == ("whsec_b25l", "whsec_dHdv")
    for kind, name in (("file", "none"), ("file", "long"), ("file", "binary"), ("file", "/dev/zero"), ("file", "a\0b")):
        assert read(kind, name) is None
    assert (read("env", "EMPTY"), read("env", "UNSET")) == (None, None)
