"""Where settings come from, and what is said of those that make no sense."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from controller import settings as settings_module
from controller.settings import InvalidSettings, load_settings


def test_without_anything_set_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path, {})
    assert settings.api_key is None
    assert settings.base_url == "https://api.codat.io"
    assert settings.state == "sqlite:///var/merchantctl.db"
    assert str(settings.manifests) == "manifests"
    assert (settings.requests_per_minute, settings.parallelism, settings.create_settle) == (950, 16, 5.0)


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "merchantctl.toml").write_text('manifests = "file"\nrequests_per_minute = 1\nparallelism = 4\n')
    environ = {"MERCHANTCTL_MANIFESTS": "environment", "MERCHANTCTL_REQUESTS_PER_MINUTE": "2"}
    settings = load_settings(environ, tmp_path, {"manifests": "flag", "base_url": None})
    assert (str(settings.manifests), settings.requests_per_minute, settings.parallelism) == ("flag", 2, 4)


@pytest.mark.parametrize(
    "variable",
    [*(row.variable for row in settings_module._ROWS), "CODAT_API_KEY", "CODAT_API_KEY_FILE", "MERCHANTCTL_WEB_TOKEN"],
)
@pytest.mark.parametrize("text", ["", "  "])
def test_a_variable_that_is_set_and_empty_is_a_mistake(tmp_path: Path, variable: str, text: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^{variable} is set and empty"):
        load_settings({variable: text}, tmp_path, {})


def test_an_empty_name_of_a_file_is_a_mistake_beside_the_key_itself_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"^CODAT_API_KEY_FILE is set"):
        load_settings({"CODAT_API_KEY": "sesame", "CODAT_API_KEY_FILE": ""}, tmp_path, {})


def test_a_byte_order_mark_is_no_part_of_a_key_or_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\ufeffsesame\n")
    (tmp_path / "merchantctl.toml").write_text("\ufeffparallelism = 4\n")
    settings = load_settings({"CODAT_API_KEY_FILE": "key"}, tmp_path, {})
    assert (settings.api_key, settings.parallelism) == ("sesame", 4)
    assert load_settings({"CODAT_API_KEY": "\ufeffsesame"}, tmp_path, {}).api_key == "sesame"


@pytest.mark.parametrize("form", [b64encode(b"a-key-of-twenty-signs").decode(), "Basic c2VzYW1l"])
def test_the_base64_form_of_a_key_is_told_from_the_key(tmp_path: Path, form: str) -> None:
    with pytest.raises(InvalidSettings, match="set the key itself") as error:
        load_settings({"CODAT_API_KEY": form}, tmp_path, {})
    assert form not in str(error.value)


def test_a_key_made_at_random_is_taken_as_it_is(tmp_path: Path) -> None:
    for key in ("hY9Lk2mQ8sTfVw3xZr5aBc7dEf1gHi4jKl6mNo8p", "key-of-the-tests", "emulator", "c2VzYW1l"):
        assert load_settings({"CODAT_API_KEY": key}, tmp_path, {}).api_key == key


def test_pages_link_to_the_portal_of_the_api_that_is_asked_unless_somebody_says_where_it_is(tmp_path: Path) -> None:
    own, other = "https://api.codat.io", "https://api.example.com"
    named = {"CODAT_BASE_URL": other, "MERCHANTCTL_PORTAL_LINK": "https://portal.example.com/{company}"}
    assert "app.codat.io/companies/{company}" in load_settings({"CODAT_BASE_URL": own}, tmp_path, {}).portal_link
    assert load_settings({"CODAT_BASE_URL": other}, tmp_path, {}).portal_link == ""
    assert load_settings(named, tmp_path, {}).portal_link == "https://portal.example.com/{company}"
    assert load_settings({"MERCHANTCTL_PORTAL_LINK": "off"}, tmp_path, {}).portal_link == ""


def test_zero_requests_a_minute_means_unpaced(tmp_path: Path) -> None:
    assert load_settings({"MERCHANTCTL_REQUESTS_PER_MINUTE": "0"}, tmp_path, {}).requests_per_minute == 0


def test_the_key_may_stand_in_a_file_whose_line_end_is_not_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame\n")
    assert load_settings({"CODAT_API_KEY_FILE": "key"}, tmp_path, {}).api_key == "sesame"


def test_the_key_itself_beats_the_file(tmp_path: Path) -> None:
    environ = {"CODAT_API_KEY": "direct", "CODAT_API_KEY_FILE": "nowhere"}
    assert load_settings(environ, tmp_path, {}).api_key == "direct"


def test_the_key_is_in_no_repr(tmp_path: Path) -> None:
    assert "sesame" not in repr(load_settings({"CODAT_API_KEY": "sesame"}, tmp_path, {}))


@pytest.mark.parametrize(
    ("environ", "flags", "address"),
    [
        ({"CODAT_BASE_URL": "api.codat.io"}, {}, "CODAT_BASE_URL"),
        ({"CODAT_BASE_URL": "https://user:word@api.codat.io"}, {}, "CODAT_BASE_URL"),
        ({}, {"base_url": "ftp://x"}, "--base-url"),
        ({"MERCHANTCTL_REQUESTS_PER_MINUTE": "many"}, {}, "MERCHANTCTL_REQUESTS_PER_MINUTE"),
        ({}, {"requests_per_minute": "-1"}, "--requests-per-minute"),
        ({"MERCHANTCTL_PARALLELISM": "0"}, {}, "MERCHANTCTL_PARALLELISM"),
        ({"MERCHANTCTL_CREATE_SETTLE": "soon"}, {}, "MERCHANTCTL_CREATE_SETTLE"),
        ({"MERCHANTCTL_CREATE_SETTLE": "nan"}, {}, "MERCHANTCTL_CREATE_SETTLE"),
        ({"MERCHANTCTL_STATE": "mysql://x"}, {}, "MERCHANTCTL_STATE"),
        ({"CODAT_API_KEY_FILE": "nowhere"}, {}, "CODAT_API_KEY_FILE"),
        ({"CODAT_API_KEY": "two words"}, {}, "CODAT_API_KEY"),
        ({"MERCHANTCTL_MANIFEST_LINK": "javascript:alert({file})"}, {}, "MERCHANTCTL_MANIFEST_LINK"),
        ({"MERCHANTCTL_MANIFEST_LINK": "https://git.example/{line}"}, {}, "MERCHANTCTL_MANIFEST_LINK"),
        ({"MERCHANTCTL_PORTAL_LINK": "https://portal.example/{comany}"}, {}, "MERCHANTCTL_PORTAL_LINK"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_address(
    tmp_path: Path, environ: dict[str, Any], flags: dict[str, Any], address: str
) -> None:
    with pytest.raises(InvalidSettings, match=address):
        load_settings(environ, tmp_path, flags)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base-url = 'https://x'", "base-url: unknown setting. Did you mean 'base_url'?"),
        ("colour = 1", "colour: unknown setting; known are base_url"),
        ("api_key = 'sesame'", "a key does not belong in a file"),
        ("parallelism = true", "neither text nor a number"),
        ("parallelism = [1]", "neither text nor a number"),
        ("parallelism = 1.5", "merchantctl.toml: parallelism"),
        ("parallelism = ", "cannot be read"),
    ],
)
def test_a_wrong_line_of_the_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "merchantctl.toml").write_text(text)
    with pytest.raises(InvalidSettings, match=said) as error:
        load_settings({}, tmp_path, {})
    assert "sesame" not in str(error.value)


def test_no_message_shows_the_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"ses\x00ame")
    with pytest.raises(InvalidSettings) as error:
        load_settings({"CODAT_API_KEY_FILE": "key"}, tmp_path, {})
    assert "ame" not in str(error.value).replace("name", "")


@pytest.mark.parametrize("url", ["http://api.example.com", "http://10.0.0.7:8080", "http://127.0.0.1.example.com"])
def test_the_key_travels_encrypted_unless_somebody_insists(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidSettings, match="not https"):
        load_settings({"CODAT_BASE_URL": url}, tmp_path, {})
    assert load_settings({"CODAT_BASE_URL": url, "MERCHANTCTL_ALLOW_HTTP": "yes"}, tmp_path, {}).base_url == url
    assert load_settings({"CODAT_BASE_URL": url}, tmp_path, {"allow_http": True}).base_url == url
    (tmp_path / "merchantctl.toml").write_text('allow_http = "yes"\n')
    with pytest.raises(InvalidSettings, match="unknown setting"):
        load_settings({"CODAT_BASE_URL": url}, tmp_path, {})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8787", "http://localhost:1", "http://[::1]:80", "https://api.example.com"]
)
def test_loopback_needs_no_encryption(tmp_path: Path, url: str) -> None:
    assert load_settings({"CODAT_BASE_URL": url}, tmp_path, {}).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ann:s3same@db/fleet",
        "postgresql+psycopg://ann:s3same@db/fleet",
        "mysql://db/fleet?user=ann&password=s3same",
    ],
)
def test_no_complaint_shows_the_password_of_a_database(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        load_settings({"MERCHANTCTL_STATE": url}, tmp_path, {})
    assert "s3same" not in str(error.value)
    assert "***" in str(error.value)


def test_an_old_name_of_a_setting_is_refused_with_the_new_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="MERCHANTCTL_SYNC_ROTA is called MERCHANTCTL_SYNC_POLL_INTERVAL now"):
        load_settings({"MERCHANTCTL_SYNC_ROTA": "1h"}, tmp_path, {})
    (tmp_path / "merchantctl.toml").write_text('sync_rota = "1h"\n')
    with pytest.raises(InvalidSettings, match="sync_rota: is called sync_poll_interval now"):
        load_settings({}, tmp_path, {})
