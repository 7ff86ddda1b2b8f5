"""What the documents claim is asked of the program: pages made from it, commands, manifests, make targets, imports."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import dropwhile, groupby, takewhile
from pathlib import Path

import click
import pytest

from controller.cli.commands import COMMANDS
from controller.cli.main import group, run
from controller.model.exit_codes import (
    EXIT_BLOCKED,
    EXIT_CHANGES,
    EXIT_ERROR,
    EXIT_INVALID,
    EXIT_LOCKED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_UNREAD,
    EXIT_USAGE,
)
from controller.model.merchant_status import STATUS_MEANINGS
from controller.model.run_policy import ALLOW_CLASSES
from controller.planning.limits import HELD_CLASSES, LIMITS, SHRINK_LIMIT
from tests.narrowing import present

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)#:]+)(#[^)]*)?\)")
CODE_PATH = re.compile(r"`(?P<path>(?:controller|state|tests|docs|manifests|benchmarks)/[\w/.*-]+)`")


def generated(page: str) -> str:
    """What docs/generate.py makes of the program, in a process of its own: no other test has a hand in it."""
    script = "import runpy, sys; sys.stdout.write(runpy.run_path(sys.argv[1])['PAGES'][sys.argv[2]]())"
    command = [sys.executable, "-c", script, str(ROOT / "docs" / "generate.py"), page]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def fenced(document: Path, language: str) -> Iterator[str]:
    return (match["text"] for match in FENCE.finditer(text_of(document)) if match["language"] == language)


def lines_to_type(document: Path) -> Iterator[str]:
    """Every line of the shell blocks, and every command in running text; `<name>` stands for a name."""
    lines = [line for block in fenced(document, "sh") for line in block.splitlines()]
    prose = FENCE.sub("", text_of(document))
    lines += [code for code in re.findall(r"`([^`\n]+)`", prose) if code.startswith(("merchantctl ", "make "))]
    return (re.sub(r"<(\w+)>", r"\1", line) for line in lines)


def commands(line: str, name: str) -> Iterator[tuple[str, ...]]:
    """The words after `name`, for every part of the line that calls it."""
    words = shlex.split(line, comments=True)
    for is_joint, part in groupby(words, key=lambda word: word in ("&&", "|", ";", "&")):
        call = tuple(dropwhile(lambda word: re.fullmatch(r"\w+=.*", word), () if is_joint else part))
        if call and call[0] == name:
            yield tuple(takewhile(lambda word: word != ">", call[1:]))


def calls(name: str) -> list[tuple[str, tuple[str, ...]]]:
    """(document, words after `name`), once each."""
    found = ((each.name, words) for each in DOCUMENTS for line in lines_to_type(each) for words in commands(line, name))
    return sorted({(where, words) for where, words in found if words})


MERCHANTCTL = calls("merchantctl")
MAKE = calls("make")


@pytest.mark.parametrize("page", ["cli.md", "manifests.md", "merchantctl.1"])
def test_a_generated_page_is_what_the_program_says(page: str) -> None:
    assert text_of(ROOT / "docs" / page) == generated(page), "run: python docs/generate.py"


def test_the_readme_shows_the_verbs_of_the_main_job() -> None:
    shown = {words[0] for where, words in MERCHANTCTL if where == "README.md"}
    assert {"validate", "plan", "apply", "link", "status", "drift", "emulator"} <= shown


@pytest.mark.parametrize(("where", "words"), MERCHANTCTL)
def test_a_command_line_in_a_document_is_one_that_the_program_reads(
    where: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backup.json").write_text("{}", encoding="utf-8")
    flags = tuple(takewhile(lambda word: word not in COMMANDS, words))
    verb, *rest = words[len(flags) :] or pytest.fail(f"{where}: there is no verb in {words}")
    root = group.make_context("merchantctl", [*flags, verb])
    command = present(group.get_command(root, verb))
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{where}: there is no {verb} {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    if not isinstance(command, click.Group) or command.invoke_without_command:
        command.make_context(verb, rest, parent=root)


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_verb_explains_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert "merchantctl" in capsys.readouterr().out.partition("Example")[2]


@pytest.mark.parametrize(("where", "words"), MAKE)
def test_a_make_target_in_a_document_exists(where: str, words: tuple[str, ...]) -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = [word for word in words if "=" not in word]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), where


def test_every_manifest_in_the_documents_is_sound(tmp_path: Path) -> None:
    from controller.desired.loader import load_fleet

    blocks = [text for document in DOCUMENTS for text in fenced(document, "yaml") if "kind: Merchant" in text]
    assert blocks
    profiles = [text_of(file) for file in sorted((ROOT / "manifests" / "profiles").glob("*.yaml"))]
    for number, block in enumerate(blocks):
        root = tmp_path / str(number)
        root.mkdir()
        (root / "fleet.yaml").write_text("\n---\n".join([*profiles, block]), encoding="utf-8")
        fleet = load_fleet(root, None)
        assert fleet.merchants
        assert not fleet.diagnostics, [str(each) for each in fleet.diagnostics]


def test_the_report_in_the_readme_is_one_that_a_scenario_holds() -> None:
    reports = [text_of(file).strip() for file in (ROOT / "tests" / "scenarios").glob("*/report.txt")]
    shown = [block.strip() for block in fenced(ROOT / "README.md", "text")]
    assert shown
    assert all(block in reports for block in shown)


def test_the_readme_lists_every_exit_code() -> None:
    table = text_of(ROOT / "README.md").partition("## Exit codes")[2].partition("\n## ")[0]
    told = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(",")}
    ours = {
        EXIT_OK,
        EXIT_ERROR,
        EXIT_CHANGES,
        EXIT_BLOCKED,
        EXIT_REFUSED,
        EXIT_UNREAD,
        EXIT_LOCKED,
        EXIT_USAGE,
        EXIT_INVALID,
    }
    assert told == ours | {130, 143}


def test_the_import_diagram_is_the_contract_that_lint_holds() -> None:
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    drawn = next(fenced(ROOT / "docs" / "architecture.md", "layers"))
    assert [line.split("  ")[0].strip() for line in drawn.splitlines()] == layers


def test_the_emulator_may_borrow_from_nothing_of_the_controller() -> None:
    """A room that is new is forbidden with it: nobody has to remember."""
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (forbidden,) = (
        each["forbidden_modules"] for each in contracts if each.get("source_modules") == ["controller.emulator"]
    )
    rooms = {
        path.stem
        for path in (ROOT / "controller").iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert {f"controller.{room}" for room in rooms - {"emulator"}} <= set(forbidden)


def test_every_package_has_its_line_in_the_architecture() -> None:
    page = text_of(ROOT / "docs" / "architecture.md")
    packages = [folder.name for folder in (ROOT / "controller").iterdir() if (folder / "__init__.py").exists()]
    assert not [name for name in packages if f"| `controller/{name}` |" not in page]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_or_a_path_in_a_document_leads_somewhere(document: Path) -> None:
    text = text_of(document)
    links = [document.parent / match["target"] for match in LINK.finditer(text)]
    paths = [ROOT / match["path"] for match in CODE_PATH.finditer(text) if "*" not in match["path"]]
    assert not [str(each) for each in [*links, *paths] if not each.exists()]


def test_no_document_asks_for_more_than_the_settings_know() -> None:
    """Every variable that a document names is one that the program reads."""
    from controller import setting_secrets, settings

    secrets = {"CODAT_API_KEY", *setting_secrets.SECRET_VARIABLES.values()}
    known = {row.variable for row in settings._ROWS} | secrets | {f"{secret}_FILE" for secret in secrets}
    elsewhere = {
        settings.ENVIRONMENT_VARIABLE,
        "CODAT_SANDBOX_KEY",
        "MERCHANTCTL_DEBUG",
        "MERCHANTCTL_API_SPECS",
        "MERCHANTCTL_TEST_PG_DSN",
    }
    pages = (text_of(document) for document in DOCUMENTS if document.name != "CHANGELOG.md")
    named = {word for page in pages for word in re.findall(r"\b(?:CODAT|MERCHANTCTL)_[A-Z_]+", page)}
    assert named <= known | elsewhere


def test_the_settings_table_has_every_setting_with_its_default() -> None:
    from controller import settings

    table = text_of(ROOT / "docs" / "reference.md").partition("## Settings")[2].partition("\n## ")[0]
    for row in settings._ROWS:
        in_toml = f"`{row.variable}`, `{row.name}`" if row.name != "cache" else f"`{row.variable}` |"
        line = next(line for line in table.splitlines() if in_toml in line)
        assert row.default in line.split("|")[-2]


def test_the_table_of_limits_is_that_of_the_judge() -> None:
    table = text_of(ROOT / "docs" / "reference.md").partition("## Limits")[2].partition("\n## ")[0]
    floors = {cls.value: floor for cls, floor in LIMITS.items()} | {"shrink": SHRINK_LIMIT}
    held = {cls.value for cls in HELD_CLASSES}
    assert {*floors, *held} == set(ALLOW_CLASSES)
    for word in held:
        line = next(line for line in table.splitlines() if f"`{word}`" in line.partition(" | ")[0])
        assert "held for the merchant concerned" in line
        assert f"`--allow {word}=NAME`" in line
    for word, (least, percent) in floors.items():
        line = next(line for line in table.splitlines() if f"`{word}`" in line.partition(" | ")[0])
        limit = f"the larger of {least} and {percent} %" if percent else str(least)
        assert limit in line
        assert f"`--allow {word}`" in line


def test_every_log_event_of_the_controller_is_in_the_table_of_events() -> None:
    event = re.compile(r"log\.(?:info|warning|error|exception)\(\s*\"(?P<name>\w+)\"")
    sources = [*(ROOT / "controller" / "daemon").rglob("*.py"), *(ROOT / "controller" / "web").rglob("*.py")]
    logged = {match["name"] for source in sources for match in event.finditer(text_of(source))}
    told = set(re.findall(r"`(\w+)`", text_of(ROOT / "docs" / "operating.md")))
    assert logged
    assert not logged - told


def test_decisions_are_numbered_once_each() -> None:
    numbers = [file.name[:4] for file in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))
    assert all(number.isdigit() for number in numbers)


def test_the_states_of_a_merchant_are_explained_as_the_program_explains_them() -> None:
    rows = [f"| {state.value} | {each.explanation} | {each.next_step} |" for state, each in STATUS_MEANINGS.items()]
    assert "\n".join(rows) in text_of(ROOT / "docs" / "reference.md")


def test_the_pages_colour_every_state_by_its_tone() -> None:
    style = text_of(ROOT / "controller" / "web" / "templates" / "style.css")
    for tone in {each.tone for each in STATUS_MEANINGS.values()}:
        (rule,) = [line for line in style.splitlines() if line.startswith(f".tone-{tone}") and "--tone" in line]
        assert f"var(--{'info' if tone == 'change' else tone})" in rule
