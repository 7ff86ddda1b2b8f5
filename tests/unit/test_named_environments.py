"""Environments of merchantctl.toml: which one is meant, what it sets, and whose key it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.settings import InvalidSettings, known_api_keys, load_settings

TWO = """
parallelism = 4
[environments.sandbox]
base_url = "https://sandbox.api.codat.io"
manifests = "manifests/sandbox"
api_key_variable = "SANDBOX_KEY"
[environments.production]
selector = "live"
api_key_file = "production.key"
limits = {disable = 2, remap = "10%"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "merchantctl.toml").write_text(TWO)
    (tmp_path / "production.key").write_text("key-of-production\n")
    return tmp_path


def test_of_two_environments_none_is_meant_unasked(folder: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"environments production, sandbox.*--env or MERCHANTCTL_ENV"):
        load_settings({}, folder, {})


def test_the_only_environment_is_meant(tmp_path: Path) -> None:
    (tmp_path / "merchantctl.toml").write_text("[environments.sandbox]\nparallelism = 2\n")
    settings = load_settings({}, tmp_path, {})
    assert (settings.environment_name, settings.parallelism) == ("sandbox", 2)


def test_a_flag_chooses_before_the_variable(folder: Path) -> None:
    environ = {"MERCHANTCTL_ENV": "sandbox"}
    assert load_settings(environ, folder, {}).environment_name == "sandbox"
    assert load_settings(environ, folder, {"env": "production"}).environment_name == "production"


@pytest.mark.parametrize(("flags", "environ"), [({"env": "prodction"}, {}), ({}, {"MERCHANTCTL_ENV": "prodction"})])
def test_an_environment_that_is_not_there_is_a_mistake(
    folder: Path, flags: dict[str, str], environ: dict[str, str]
) -> None:
    with pytest.raises(InvalidSettings, match="no environment 'prodction'; it has production, sandbox"):
        load_settings(environ, folder, flags)


def test_an_environment_counts_before_the_rest_of_the_file(folder: Path) -> None:
    settings = load_settings({}, folder, {"env": "sandbox"})
    assert settings.base_url == "https://sandbox.api.codat.io"
    assert (str(settings.manifests), settings.parallelism) == ("manifests/sandbox", 4)


def test_each_environment_remembers_by_itself(folder: Path) -> None:
    states = {load_settings({}, folder, {"env": name}).state for name in ("sandbox", "production")}
    assert states == {"sqlite:///var/sandbox.db", "sqlite:///var/production.db"}


@pytest.mark.parametrize("other", ["", 'state = "sqlite:///./var/../one.db"', 'state = "sqlite:////{here}/one.db"'])
def test_two_environments_with_one_state_are_refused(tmp_path: Path, other: str) -> None:
    other = other.format(here=Path.cwd())
    (tmp_path / "merchantctl.toml").write_text(
        f'state = "sqlite:///one.db"\n[environments.a]\n[environments.b]\n{other}\n'
    )
    with pytest.raises(InvalidSettings, match="a and b have the same state"):
        load_settings({}, tmp_path, {"env": "a"})


def test_an_environment_takes_no_key_but_its_own(folder: Path) -> None:
    environ = {"CODAT_API_KEY": "key-of-somebody", "SANDBOX_KEY": "key-of-the-sandbox"}
    assert load_settings(environ, folder, {"env": "sandbox"}).api_key == "key-of-the-sandbox"
    assert load_settings(environ, folder, {"env": "production"}).api_key == "key-of-production"
    without = load_settings({"CODAT_API_KEY": "key-of-somebody"}, folder, {"env": "sandbox"})
    assert (without.api_key, without.api_key_places) == (None, "SANDBOX_KEY")


def test_the_keys_of_all_environments_are_known_to_whoever_hides_them(folder: Path) -> None:
    environ = {"CODAT_API_KEY": "key-of-somebody", "SANDBOX_KEY": "key-of-the-sandbox"}
    assert set(known_api_keys(environ, folder)) == {"key-of-somebody", "key-of-the-sandbox", "key-of-production"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CODAT_BASE_URL", "https://api.codat.io"), ("MERCHANTCTL_MANIFESTS", "manifests/production")],
)
def test_a_variable_left_over_from_elsewhere_is_refused_and_a_flag_is_meant(
    folder: Path, variable: str, value: str
) -> None:
    with pytest.raises(InvalidSettings, match=f"{variable} is set, and environment sandbox has another"):
        load_settings({variable: value}, folder, {"env": "sandbox"})
    flag = "base_url" if "URL" in variable else "manifests"
    assert str(getattr(load_settings({variable: value}, folder, {"env": "sandbox", flag: value}), flag)) == value


def test_production_asks_by_name_and_any_other_where_it_says_so(folder: Path) -> None:
    assert load_settings({}, folder, {"env": "production"}).confirms_by_name
    assert not load_settings({}, folder, {"env": "sandbox"}).confirms_by_name
    (folder / "merchantctl.toml").write_text('[environments.live]\nconfirm = "name"\n')
    assert load_settings({}, folder, {}).confirms_by_name


def test_limits_are_numbers_or_shares(folder: Path) -> None:
    assert load_settings({}, folder, {"env": "production"}).limits == {"disable": (2, 0), "remap": (1, 10)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[environments]\nsandbox = 1\n", "are tables"),
        ("[environments.Sandbox]\n", "small letters"),
        ("[environments.a]\ncolour = 1\n", "unknown setting"),
        ('[environments.a]\napi_key = "secret-key"\n', "a key does not belong in a file"),
        ('[environments.a]\napi_key_file = "a"\napi_key_variable = "A"\n', "keep one of the two"),
        ("[environments.a]\nlimits = {delete = 5}\n", "there are limits on"),
        ('[environments.a]\nlimits = {remap = "many"}\n', "neither a number of merchants"),
        ("[environments.a]\nlimits = 5\n", "limits is a table"),
        ('[environments.a]\nconfirm = "never"\n', "neither"),
        ("[environments.a]\nselector = 5\n", "is no text"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "merchantctl.toml").write_text(text)
    with pytest.raises(InvalidSettings, match=told) as error:
        load_settings({}, tmp_path, {})
    assert str(error.value).startswith("merchantctl.toml: ")
    assert "secret-key" not in str(error.value)
