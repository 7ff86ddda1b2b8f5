"""Which rules and webhook consumers are to be created, and what is said of those that differ. Pure.

not there, never seen    create
there as it is declared  adopt it
there, and differs       a rule: told; a consumer whose secret gets another place: a new one beside it, else told
replaced                 it goes once the new one's secret has proven a delivery
answer lost              looked for; after a while it counts as not created
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import DesiredSettings
from controller.model.field_values import Value
from controller.model.hooks import DeclaredHook, Hook, HookKind, LiveHook, LiveHooks, ProvenSource, RecordedHook
from controller.model.plan import Actor, Change, ChangeKind, Direction, FieldChange, Finding
from controller.planning.remedies import APPLY_COMMAND
from controller.quick_dataclasses import dataclass

_CREATES = {HookKind.RULE: ChangeKind.CREATE_RULE, HookKind.CONSUMER: ChangeKind.CREATE_CONSUMER}


@dataclass(frozen=True, slots=True)
class HookMemory:
    """What the state knows of them.

    recorded        those that are not gone, the oldest first
    proven          which places of secrets have proven deliveries
    late_after      so long after its request a create may still be done
    """

    recorded: tuple[RecordedHook, ...] = ()
    proven: tuple[ProvenSource, ...] = ()
    late_after: timedelta = timedelta(seconds=60)

    @property
    def bound_ids(self) -> frozenset[str]:
        """Of all that are known to be there: none of these is found anew."""
        return frozenset(each.remote_id for each in self.recorded if each.remote_id)

    @property
    def current_ids(self) -> frozenset[str]:
        """Of those that have their name now: none of these is ever deleted."""
        return frozenset(each.remote_id for each in self.recorded if each.remote_id and not each.replaced)

    def current_hook(self, path: str) -> RecordedHook | None:
        """The one that has this name now; bound, or with an answer that was lost."""
        return next((each for each in self.recorded if each.declared.path == path and not each.replaced), None)


@dataclass(frozen=True, slots=True)
class HookPlan:
    """Changes and findings; `adopted` are live ones that are as declared, by path, without a create of ours."""

    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    adopted: Mapping[str, str] = field(default_factory=dict)


NO_HOOKS = HookPlan()


def plan_hooks(desired: DesiredSettings, live: LiveHooks, memory: HookMemory, now: datetime) -> HookPlan:
    """What to do about all that are declared, kind by kind; one that was not read is left alone."""
    changes: list[Change] = []
    findings: list[Finding] = []
    adopted: dict[str, str] = {}
    for path, declared in sorted(desired.hooks.items()):
        kind = declared.hook.kind
        if kind not in live.hooks:
            continue
        look = _Look(declared, live.hooks[kind], memory, now, _manifest_place(path, desired))
        change, found, remote_id = look.decide()
        changes += [change] if change else []
        findings += found
        adopted |= {path: remote_id} if remote_id else {}
    for said in _plan_deletion_of_replaced(desired, live, memory):
        changes += [said] if isinstance(said, Change) else []
        findings += [said] if isinstance(said, Finding) else []
    return HookPlan(tuple(changes), tuple(findings), adopted)


@dataclass(frozen=True, slots=True)
class _Look:
    """One declared rule or consumer, and all that there is to know about it."""

    declared: DeclaredHook
    live: tuple[LiveHook, ...]
    memory: HookMemory
    now: datetime
    place: str | None

    def decide(self) -> tuple[Change | None, list[Finding], str | None]:
        """What is to be created, what is to be said, and the id of the one that is taken over."""
        current = self.memory.current_hook(self.declared.path)
        if current is not None and current.remote_id is None:
            found = find_created_id(current, self.live, self.memory.bound_ids)
            if found:
                return None, [], found
            if self.now < current.begun_at + self.memory.late_after:
                return None, [self._pending_finding(current)], None
            current = None
        there = next((each for each in self.live if current and each.id == current.remote_id), None)
        if there is not None and current is not None:
            return self._compare(current, there)
        equal = find_equal_id(self.declared.hook, self.live, self.memory.bound_ids)
        if equal:
            return None, [], equal
        direction = Direction.DRIFT if current else Direction.PENDING
        return self._creation_change(None, direction), [self._missing_finding(direction)], None

    def _compare(self, current: RecordedHook, there: LiveHook) -> tuple[Change | None, list[Finding], str | None]:
        before, after = current.declared.secret, self.declared.secret
        secret_moves = before is not None and after is not None and before != after
        if secret_moves:
            return self._creation_change(str(there.hook), Direction.PENDING), [self._replacing_finding(there)], None
        if there.hook == self.declared.hook and not there.disabled:
            return None, self._unproven_findings(current), None
        return None, [self._changed_finding(current, there)], None

    def _unproven_findings(self, current: RecordedHook) -> list[Finding]:
        """One that no delivery has been heard of: nobody can tell whether its secret is where the manifest says."""
        secret = self.declared.secret
        if secret is None or any(each.source == str(secret) for each in self.memory.proven):
            return []
        cause = f"no delivery has been proven yet by the secret in {secret}"
        remedy = f"{secret_remedy(current.remote_id or '', self.declared)}; after that the first event proves it"
        return [self._finding("unproven", cause, remedy, Actor.OPERATOR)]

    def _creation_change(self, live: Value, direction: Direction) -> Change:
        wanted = FieldChange(self.declared.path, live, str(self.declared.hook), direction)
        return Change(_CREATES[self.declared.hook.kind], (), (wanted,))

    def _finding(
        self,
        fate: str,
        cause: str,
        remedy: str,
        actor: Actor,
        *,
        live: Value = None,
        direction: Direction | None = None,
    ) -> Finding:
        return Finding(
            f"{self.declared.hook.kind.value}-{fate}",
            ACCOUNT_NAME,
            cause,
            remedy,
            actor,
            field=self.declared.path,
            live=live,
            wanted=str(self.declared.hook),
            direction=direction,
            manifest=self.place,
        )

    def _missing_finding(self, direction: Direction) -> Finding:
        cause = "it is not there any more" if direction is Direction.DRIFT else "there is none like it yet"
        return self._finding("missing", cause, APPLY_COMMAND, Actor.APPLY, direction=direction)

    def _replacing_finding(self, there: LiveHook) -> Finding:
        cause = f"its secret is to be in {self.declared.secret}: a new one comes beside it, with a secret of its own"
        return self._finding(
            "changed", cause, APPLY_COMMAND, Actor.APPLY, live=str(there.hook), direction=Direction.PENDING
        )

    def _changed_finding(self, current: RecordedHook, there: LiveHook) -> Finding:
        """Nothing updates it: a person has to."""
        manifest_moved, live_moved = (
            current.declared.hook != self.declared.hook,
            there.hook != current.declared.hook or there.disabled,
        )
        direction = Direction.CONFLICT if manifest_moved and live_moved else Direction.DRIFT
        direction = Direction.PENDING if manifest_moved and not live_moved else direction
        cause = "Codat has disabled it" if there.disabled else "it is otherwise than declared, and Codat has no update"
        if str(there.hook) == str(self.declared.hook) and not there.disabled:
            cause += "; what differs is masked here"
        portal = f"put it right in Codat's portal ({there.id})"
        if current.declared.secret is None:  # of a rule, or one whose deliveries nobody could tell from a new one's
            other = "delete it there, to have it created as declared"
        else:
            other = "write another variable or file under secret, to have a new one take its place"
        remedy = f"{portal}; or {other}: {APPLY_COMMAND}"
        live = f"{there.hook} (disabled)" if there.disabled else str(there.hook)
        return self._finding("changed", cause, remedy, Actor.OPERATOR, live=live, direction=direction)

    def _pending_finding(self, current: RecordedHook) -> Finding:
        until = current.begun_at + self.memory.late_after
        cause = f"the answer of its create was lost; it may still be done until {until:%H:%M:%S} UTC"
        return self._finding("pending", cause, f"after that: {APPLY_COMMAND}", Actor.CODAT)


def find_created_id(begun: RecordedHook, live: Collection[LiveHook], bound: Collection[str]) -> str | None:
    """The id of what a create made whose answer was lost: one like it that was not there before, and is nobody's."""
    known = {*bound, *begun.known_ids}
    return next((each.id for each in live if each.hook == begun.declared.hook and each.id not in known), None)


def find_equal_id(hook: Hook, live: Collection[LiveHook], bound: Collection[str]) -> str | None:
    """The id of one that does the same for every company, and is nobody's."""
    equal = (each for each in live if each.hook == hook and not each.disabled and each.company_id is None)
    return next((each.id for each in equal if each.id not in bound), None)


def _plan_deletion_of_replaced(
    desired: DesiredSettings, live: LiveHooks, memory: HookMemory
) -> Iterator[Change | Finding]:
    """Consumers that a newer one has replaced: deleted once it has been heard of the newer one's secret."""
    if HookKind.CONSUMER not in live.hooks:
        return
    there = {each.id: each for each in live.hooks[HookKind.CONSUMER]}
    old_ids = there.keys() - memory.current_ids
    for old in memory.recorded:
        new = memory.current_hook(old.declared.path)
        is_old = old.replaced and old.declared.hook.kind is HookKind.CONSUMER and old.remote_id in old_ids
        if not is_old or new is None or new.remote_id not in there or old.declared.path not in desired.hooks:
            continue
        assert old.remote_id is not None, "it was found by it"
        if is_replacement_proven(old, new, memory.proven):
            gone = FieldChange(old.declared.path, str(there[old.remote_id].hook), None, Direction.PENDING)
            yield Change(ChangeKind.DELETE_CONSUMER, (), (gone,))
        else:
            cause = f"the old one ({old.remote_id}) stays until a delivery is proven by the secret of the new one"
            path, remedy = old.declared.path, secret_remedy(new.remote_id, new.declared)
            place = _manifest_place(path, desired)
            yield Finding("consumer-replaced", ACCOUNT_NAME, cause, remedy, Actor.OPERATOR, path, manifest=place)


def is_replacement_proven(old: RecordedHook, new: RecordedHook, proven: Collection[ProvenSource]) -> bool:
    """Whether a delivery came that only the new one can have sent: proven by its secret's place since it is there, by a
    key that nobody had before it."""
    new_source = str(new.declared.secret)
    old_keys = {
        each.key_id
        for each in proven
        if each.source == str(old.declared.secret) or (each.first_at < new.begun_at and each.source != new_source)
    }
    return any(
        each.source == new_source and each.last_at >= new.begun_at and each.key_id not in old_keys for each in proven
    )


def secret_remedy(consumer_id: str, declared: DeclaredHook) -> str:
    """How the signing secret, which only the portal shows, comes to where deliveries are proven."""
    return f"copy the signing secret of {consumer_id} from Codat's portal to {declared.secret}, where deliveries arrive"


def _manifest_place(path: str, desired: DesiredSettings) -> str | None:
    return str(desired.origins[path]) if path in desired.origins else None
