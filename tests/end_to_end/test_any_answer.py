"""Any answer may be anything: no traceback, no write for a merchant that is not understood, all others are done.

One fleet, whose every merchant has something to be done. One answer of the run is not what it should be: another
status, no JSON, or one JSON value replaced. The undisturbed run says how many answers there are, and of what.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.model.errors import MerchantctlError
from controller.model.exit_codes import exit_code
from controller.model.plan import PlanStatus
from controller.model.report import Applied, FleetPlan, FleetReport
from controller.model.run_policy import RunPolicy, Scope
from controller.operations.apply import plan_and_apply
from controller.operations.bootstrap import RunRequest
from controller.reporting.as_json import apply_json, drift_json, dumps, plan_json, status_json
from controller.reporting.html import plan_html
from controller.reporting.markdown import plan_markdown
from controller.reporting.text import apply_text, plan_text
from controller.reporting.text_drift_and_status import drift_text, status_text
from tests.emulator import Emulator, in_process_emulator
from tests.end_to_end.place import Place
from tests.intercept import Forward, intercepted

FLEET = ("ann", "bob", "cem")
"""In sync and switched off since, so that each needs one POST."""

STATUSES = (200, 204, 302, 400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 503)
BODIES = {
    "nothing": b"",
    "a page": b"<html>Down for maintenance.</html>",
    "half of it": b'{"results": [',
    "deep": b"[" * 5000,
    "no UTF-8": b'"\xff\xfe"',
}
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**80,
    1.5,
    "",
    "x",
    "\ud800",
    "nul \0",
    "0001-01-01T00:00:00Z",
    [],
    [None],
    {},
)

Answer = Callable[[httpx.Response], httpx.Response]


@dataclass
class Recorder:
    """Between client and emulator: counts, and disturbs the answer that has its number; whom that was about."""

    at: int | None = None
    answer: Answer = lambda response: response
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)

    async def __call__(self, request: httpx.Request, onward: Forward) -> httpx.Response:
        number = len(self.seen)
        if request.method != "GET":
            self.posts.append(request.url.path)
        response = await onward(request)
        self.seen.append((f"{request.method} {request.url.path}", response.content))
        return self.answer(response) if number == self.at else response


class Stage:
    """A fleet that is put back to where it was before each run: one place for all of them, since making it is dear."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self.place = Place(folder, emulator)
        self.place.provision(*FLEET)
        self.place.skip_waits()
        self.place.settings = replace(self.place.settings, create_settle=5.0)
        self.ids = {name: self.place.company(name)["id"] for name in FLEET}
        self.memory = self.place.database.read_bytes()

    def run(self, recorder: Recorder) -> FleetReport | FleetPlan | MerchantctlError:
        for name in FLEET:
            self.place.edit_in_portal(name, {"enabled": False})
        for suffix in ("-wal", "-shm"):
            Path(f"{self.place.database}{suffix}").unlink(missing_ok=True)
        self.place.database.write_bytes(self.memory)
        order = RunRequest(Scope(), RunPolicy(), lambda plan: True, parallelism=1)
        environment = intercepted(self.place.environment, recorder)
        try:
            return asyncio.run(plan_and_apply(self.place.settings, order, environment=environment))
        except MerchantctlError as error:
            return error

    def enabled(self) -> dict[str, bool]:
        return {name: self.place.document(name)["enabled"] for name in FLEET}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory() as folder:
        yield Stage(Path(folder), in_process_emulator())


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Recorder:
    recorder = Recorder()
    report = stage.run(recorder)
    assert isinstance(report, FleetReport)
    assert all(isinstance(each, Applied) for each in report.outcomes.values())
    return recorder


def answers(stage: Stage, undisturbed: Recorder) -> list[int]:
    """The numbers of those that are about nobody, and of those about one merchant in the middle: the others alike."""
    return [
        at for at, (asked, _) in enumerate(undisturbed.seen) if "/companies/" not in asked or stage.ids["bob"] in asked
    ]


def proven(stage: Stage, undisturbed: Recorder, at: int, answer: Answer) -> None:
    """Disturbs one answer, and checks what must hold whatever it was."""
    recorder = Recorder(at, answer)
    result = stage.run(recorder)
    asked = undisturbed.seen[at][0]
    assert len(recorder.seen) <= 3 * len(undisturbed.seen) + 25
    if isinstance(result, MerchantctlError):
        assert asked == "GET /meta/companies", "only what is about nobody may end a run"
        assert recorder.posts == []
        str(result).encode()
        return
    told(result)
    assert isinstance(result, FleetReport), "a refusal"
    of_one = next((name for name, id_ in stage.ids.items() if id_ in asked), None)
    others = [name for name in FLEET if name != of_one]
    if of_one:
        enabled = stage.enabled()
        assert [name for name in others if not enabled[name]] == [], "others wait"
    for plan in result.plan.plans:
        if plan.status is PlanStatus.UNKNOWN:
            assert not any(stage.ids[plan.merchant] in path for path in recorder.posts), "a write for somebody unknown"
    assert not any("meta" in path for path in recorder.posts), "nobody is created"
    assert "internal-error" not in {f.code for plan in result.plan.plans for f in plan.findings}, told(result)
    assert "a fault of merchantctl" not in apply_text(result)


def told(result: FleetReport | FleetPlan) -> str:
    """Every form of it can be made and printed."""
    plan = result.plan if isinstance(result, FleetReport) else result
    texts = [plan_text(plan), drift_text(plan), status_text(plan), plan_markdown(plan), plan_html(plan)]
    texts += [dumps(each) for each in (plan_json(plan), drift_json(plan), status_json(plan), apply_json(result))]
    texts += [apply_text(result)] if isinstance(result, FleetReport) else []
    for text in texts:
        text.encode()
    assert exit_code("apply", result) in (0, 1, 3, 4, 5)
    return texts[0]


@pytest.mark.parametrize("status", STATUSES)
def test_any_answer_may_have_any_other_status(stage: Stage, undisturbed: Recorder, status: int) -> None:
    for at in answers(stage, undisturbed):
        proven(stage, undisturbed, at, lambda response: httpx.Response(status, json={"error": "Another status."}))


@pytest.mark.parametrize("body", BODIES)
def test_any_answer_may_be_no_json(stage: Stage, undisturbed: Recorder, body: str) -> None:
    for at in answers(stage, undisturbed):
        proven(stage, undisturbed, at, lambda response: httpx.Response(response.status_code, content=BODIES[body]))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The address of every value in a JSON document, the document itself included."""
    yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value[:2]):
            yield from places(each, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    head, *rest = path
    if isinstance(value, dict):
        return {**value, head: replaced(value[head], tuple(rest), by)}
    return [replaced(each, tuple(rest), by) if index == head else each for index, each in enumerate(value)]


ANYTHING = st.sampled_from(VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.computes
@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_of_any_answer_may_be_any_other(stage: Stage, undisturbed: Recorder, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from(answers(stage, undisturbed)), label="answer")
    document = json.loads(undisturbed.seen[at][1])
    path = data.draw(st.sampled_from(list(places(document))), label="path")
    by = data.draw(ANYTHING, label="by")
    proven(stage, undisturbed, at, lambda response: _with(response, path, by))


def _with(response: httpx.Response, path: tuple[Any, ...], by: Any) -> httpx.Response:
    return httpx.Response(response.status_code, content=json.dumps(replaced(response.json(), path, by)).encode())
