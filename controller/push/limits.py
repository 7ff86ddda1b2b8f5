"""What a push is refused for until somebody allows it: judged once, over all that is to be sent. Pure.

unmapped       a payment that no account is chosen for stops the merchant's syncs until there is one (API notes 4.4)
before-start   what is dated before the start date never reaches the books
shrink         a file that lacks much of what was sent before is rather half a file
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from controller.model.commerce_records import CommerceRecord
from controller.model.field_values import FEES_SYNC_PATH, PAYMENTS_SYNC_PATH, START_DATE_PATH, Value, resolve_live_path
from controller.model.pushes import PushLimit, PushRefusal
from controller.quick_dataclasses import dataclass
from controller.reporting.formatting import format_count, format_time

SHRINK_FLOOR, SHRINK_PERCENT = 10, 10
"""So many records, or per cent of what was sent, may be missing from a file that deletes what it lacks."""

_ACCOUNT_BY_PAYMENT = {
    "Cash": "cash",
    "Card": "card",
    "Invoice": "invoice",
    "OnlineCard": "onlineCard",
    "Swish": "swish",
    "Vipps": "vipps",
    "Mobile": "mobile",
    "StoreCredit": "storeCredit",
    "Paypal": "paypal",
    "Custom": "custom",
    "Prepaid": "prepaidPayment",
}
"""By a payment's type the account that it is booked to (API notes 4.4). Of `Unknown` the documents do not say it."""

_ACCOUNT_BY_TRANSACTION = {
    "Payout": ("payments", "payout"),
    "PaymentFee": ("fees", "paymentFee"),
    "PaymentFeeRefund": ("fees", "paymentFeeRefund"),
}
_SWITCH_PATHS = {"payments": PAYMENTS_SYNC_PATH, "fees": FEES_SYNC_PATH}


@dataclass(frozen=True, slots=True)
class MissingRecords:
    """Of one type, how many records that were sent before a file lacks, of how many."""

    type_key: str
    missing: int
    present: int


class Survey:
    """What the limits want to know of all the records that are to be sent.

    synchronised_until  the end of what the last successful sync covered
    synchronised_count  how many records are dated before that
    """

    def __init__(self, live: Mapping[str, Value], synchronised_until: datetime | None = None) -> None:
        self._live, self._until = live, synchronised_until
        self.synchronised_count = 0
        start = live.get(START_DATE_PATH)
        self._start = start if isinstance(start, datetime) else None
        self._unmapped = Counter[tuple[str, str]]()
        self._before_start = 0
        self._earliest: datetime | None = None
        self._mapped = dict[str, bool]()

    def add(self, records: Iterable[CommerceRecord]) -> None:
        for record in records:
            path = _account_path(record)
            if path and not self._is_mapped_or_off(path):
                self._unmapped[record.type, path] += 1
            self.synchronised_count += self._until is not None and record.created < self._until
            if self._start and record.created < self._start:
                self._before_start += 1
                self._earliest = min(self._earliest or record.created, record.created)

    def refusals(self, name: str, missing: Iterable[MissingRecords], allowed: Collection[str]) -> Iterator[PushRefusal]:
        """Why the push of this merchant is refused; nothing for what is allowed by name."""
        if self._unmapped and PushLimit.UNMAPPED not in allowed:
            yield self._unmapped_refusal(name)
        if self._before_start and self._start and self._earliest and PushLimit.BEFORE_START not in allowed:
            are = "is" if self._before_start == 1 else "are"
            yield PushRefusal(
                PushLimit.BEFORE_START,
                f"{format_count(self._before_start, 'record')} {are} dated before the start date of {name}, "
                f"{format_time(self._start)}, the earliest {format_time(self._earliest)}: they never reach the books",
                "leave them out; a start date cannot be made earlier",
            )
        if PushLimit.SHRINK not in allowed:
            yield from (_shrink_refusal(each) for each in missing if _is_over_shrink_limit(each))

    def _unmapped_refusal(self, name: str) -> PushRefusal:
        types = ", ".join(f"{word} ({format_count(number, 'record')})" for (word, _), number in self._unmapped_counts())
        paths = ", ".join(dict.fromkeys(path for (_, path), _ in self._unmapped_counts()))
        return PushRefusal(
            PushLimit.UNMAPPED,
            f"no account is chosen for {types}: the syncs of {name} would stop until there is one",
            f"declare {paths}, then merchantctl apply --target {name}",
        )

    def _unmapped_counts(self) -> list[tuple[tuple[str, str], int]]:
        return sorted(self._unmapped.items())

    def _is_mapped_or_off(self, path: str) -> bool:
        """Whether an account is chosen at a path, or its section does not sync at all."""
        if path not in self._mapped:
            switch = _SWITCH_PATHS[path.split(".")[1]]
            live_path = resolve_live_path(self._live, path)
            is_chosen = live_path is not None and self._live[live_path] is not None
            self._mapped[path] = is_chosen or self._live.get(switch) is not True
        return self._mapped[path]


def _account_path(record: CommerceRecord) -> str | None:
    """The field of the mapping that says where a record is booked; None where a type has none, or we do not know."""
    if record.key == "payments" and record.type in _ACCOUNT_BY_PAYMENT:
        return f"mapping.payments.accounts.{_ACCOUNT_BY_PAYMENT[record.type]}"
    if record.key == "transactions" and record.type in _ACCOUNT_BY_TRANSACTION:
        section, account = _ACCOUNT_BY_TRANSACTION[record.type]
        return f"mapping.{section}.accounts.{account}"
    return None


def _is_over_shrink_limit(each: MissingRecords) -> bool:
    return each.missing > max(SHRINK_FLOOR, each.present * SHRINK_PERCENT / 100)


def _shrink_refusal(each: MissingRecords) -> PushRefusal:
    return PushRefusal(
        PushLimit.SHRINK,
        f"{each.missing:,} of the {each.present:,} {each.type_key} that were sent before are missing, "
        f"and more than {SHRINK_FLOOR} and {SHRINK_PERCENT} % of them would be deleted",
        "push the whole file, or leave out --delete-missing",
    )
