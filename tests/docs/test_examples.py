"""The examples for containers, read by a parser: whatever they name is there, and fits together."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller import setting_secrets, settings
from controller.cli.main import group
from controller.web.access import UNAUTHENTICATED_PATHS
from tests.narrowing import present

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
OTHERS = {"PATH", "PYTHONDONTWRITEBYTECODE", "PGPASSFILE"}
PINNED = re.compile(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+")


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile, in order: (word, the rest in one line)."""
    text = re.sub(r"^\s*#.*\n", "", (EXAMPLES / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest.strip()) for line in lines if line.strip() for word, _, rest in [line.partition(" ")]]


def all_of(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "compose.yaml").read_text())
    return document


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in all_of("ENV") for pair in shlex.split(rest))


def service_environment() -> dict[str, str]:
    """What merchantctl has in its container."""
    return image_environment() | compose()["services"]["merchantctl"]["environment"]


def test_every_image_is_pinned_by_a_tag_with_all_its_parts() -> None:
    built, run = (rest.split(" AS ")[0] for rest in all_of("FROM"))
    assert built == run, "the libraries are those of one Python"
    assert all(PINNED.fullmatch(image) for image in (run, compose()["services"]["db"]["image"]))


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    ignore = (EXAMPLES / "Dockerfile.dockerignore").read_text().splitlines()
    let_through = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    assert ignore[1] == "*", "whatever is not named stays outside"
    copied = [source for rest in all_of("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, line) for line in let_through), source
    assert {*let_through} == {*copied}


def test_every_library_is_installed_by_its_hash_and_the_program_without_any() -> None:
    libraries, program = (rest for rest in all_of("RUN") if " install " in rest)
    assert "--require-hashes -r requirements.lock" in libraries
    assert "--no-deps --no-build-isolation ." in program


def test_it_runs_as_a_user_of_its_own() -> None:
    words = [word for word, _ in instructions()]
    (user,) = all_of("USER")
    assert any(rest.startswith("useradd") and rest.split()[-1] == user for rest in all_of("RUN"))
    assert words.index("USER") < words.index("ENTRYPOINT")


def test_the_health_check_asks_the_port_that_is_served_for_a_path_that_is_there() -> None:
    (check,) = all_of("HEALTHCHECK")
    asked = present(re.search(r"http://127\.0\.0\.1:(?P<port>\d+)(?P<path>/\w+)", check))
    assert asked["path"] in UNAUTHENTICATED_PATHS, "it has no token"
    port = service_environment()["MERCHANTCTL_LISTEN"].rpartition(":")[2]
    published = compose()["services"]["merchantctl"]["ports"][0]
    assert {asked["port"], *all_of("EXPOSE"), published.split(":")[-1]} == {port}
    assert published.startswith("127.0.0.1:"), "whoever wants more puts a proxy in front"


def test_every_command_is_one_that_the_program_reads() -> None:
    assert json.loads(all_of("ENTRYPOINT")[0]) == ["merchantctl"]
    for words in (json.loads(all_of("CMD")[0]), compose()["services"]["merchantctl"]["command"]):
        verb, *rest = words
        present(group.get_command(group.make_context("merchantctl", words), verb)).make_context(verb, list(rest))


def test_every_setting_is_one_that_the_program_reads_and_all_of_them_load(tmp_path: Path) -> None:
    environment = service_environment()
    secrets = {"CODAT_API_KEY_FILE", *(f"{variable}_FILE" for variable in setting_secrets.SECRET_VARIABLES.values())}
    assert {*environment} - OTHERS <= {row.variable for row in settings._ROWS} | secrets
    for name in compose()["services"]["merchantctl"]["secrets"]:
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o600)
    here = {name: value.replace("/run/secrets", str(tmp_path)) for name, value in environment.items()}
    loaded = settings.load_settings(here, tmp_path, {})
    assert (loaded.api_key, loaded.web_token) == ("secret", "secret")
    assert loaded.state == "postgresql://merchantctl@db/merchantctl"


def test_every_secret_is_a_file_that_is_mounted_and_none_stands_in_an_example() -> None:
    for service in compose()["services"].values():
        files = {value for value in service["environment"].values() if value.startswith("/run/secrets/")}
        assert files == {f"/run/secrets/{name}" for name in service["secrets"]}
        assert {*service["secrets"]} <= compose()["secrets"].keys()
        for name in service["environment"]:
            assert name.endswith("FILE") or not re.search("KEY|TOKEN|PASSWORD|SECRET|URL", name), name
    assert not [name for name in image_environment() if re.search("KEY|TOKEN|PASSWORD|SECRET", name)]
    assert not all_of("ARG")


def test_what_is_mounted_is_where_the_program_looks() -> None:
    service = compose()["services"]["merchantctl"]
    mounted = {volume.split(":")[1] for volume in service["volumes"]}
    assert mounted == {service_environment()["MERCHANTCTL_MANIFESTS"]}
    home = image_environment()["MERCHANTCTL_STATE"].removeprefix("sqlite:///")
    assert Path(home).parent == Path(all_of("VOLUME")[0]) == Path(all_of("WORKDIR")[-1])


def test_the_man_page_is_in_the_wheel_s_place_for_man_pages_and_renders_without_a_warning() -> None:
    page = ROOT / "docs" / "merchantctl.1"
    text = page.read_text(encoding="utf-8")
    assert all(f".SS merchantctl {verb}\n" in text for verb in ("plan", "apply", "state export"))
    if shutil.which("man") is None:
        pytest.skip("there is no man here")
    kept = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANPAGER": "cat"}
    shown = subprocess.run(["man", "--warnings", "-l", page], env=kept, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "merchantctl state export" in shown.stdout
