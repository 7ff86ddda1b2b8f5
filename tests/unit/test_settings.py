"""Where settings come from, and what is said of those that make no sense."""

from __future__ import annotations

import pytest

from controller.settings import BadSettings, load_settings


def test_without_anything_set_the_defaults_hold(tmp_path):
    settings = load_settings({}, tmp_path, {})
    assert settings.api_key is None
    assert settings.base_url == "https://api.codat.io"
    assert settings.state == "sqlite:///var/merchantctl.db"
    assert str(settings.manifests) == "manifests"
    assert (settings.requests_per_minute, settings.parallelism, settings.create_settle) == (950, 16, 5.0)


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path):
    (tmp_path / "merchantctl.toml").write_text('manifests = "file"\nrequests_per_minute = 1\nparallelism = 4\n')
    environ = {"MERCHANTCTL_MANIFESTS": "environment", "MERCHANTCTL_REQUESTS_PER_MINUTE": "2"}
    settings = load_settings(environ, tmp_path, {"manifests": "flag", "base_url": None})
    assert (str(settings.manifests), settings.requests_per_minute, settings.parallelism) == ("flag", 2, 4)


def test_an_empty_variable_counts_as_not_set(tmp_path):
    assert load_settings({"CODAT_BASE_URL": "", "CODAT_API_KEY": ""}, tmp_path, {}).base_url == "https://api.codat.io"


def test_zero_requests_a_minute_means_unpaced(tmp_path):
    assert load_settings({"MERCHANTCTL_REQUESTS_PER_MINUTE": "0"}, tmp_path, {}).requests_per_minute == 0


def test_the_key_may_stand_in_a_file_whose_line_end_is_not_part_of_it(tmp_path):
    (tmp_path / "key").write_text("sesame\n")
    assert load_settings({"CODAT_API_KEY_FILE": "key"}, tmp_path, {}).api_key == "sesame"


def test_the_key_itself_beats_the_file(tmp_path):
    environ = {"CODAT_API_KEY": "direct", "CODAT_API_KEY_FILE": "nowhere"}
    assert load_settings(environ, tmp_path, {}).api_key == "direct"


def test_the_key_is_in_no_repr(tmp_path):
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
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_address(tmp_path, environ, flags, address):
    with pytest.raises(BadSettings, match=address):
        load_settings(environ, tmp_path, flags)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base-url = 'https://x'", "base-url: unknown setting"),
        ("api_key = 'sesame'", "a key does not belong in a file"),
        ("parallelism = true", "neither text nor a number"),
        ("parallelism = [1]", "neither text nor a number"),
        ("parallelism = 1.5", "merchantctl.toml: parallelism"),
        ("parallelism = ", "cannot be read"),
    ],
)
def test_a_wrong_line_of_the_file_is_refused(tmp_path, text, said):
    (tmp_path / "merchantctl.toml").write_text(text)
    with pytest.raises(BadSettings, match=said) as error:
        load_settings({}, tmp_path, {})
    assert "sesame" not in str(error.value)


def test_no_message_shows_the_key(tmp_path):
    (tmp_path / "key").write_bytes(b"ses\x00ame")
    with pytest.raises(BadSettings) as error:
        load_settings({"CODAT_API_KEY_FILE": "key"}, tmp_path, {})
    assert "ame" not in str(error.value).replace("name", "")
