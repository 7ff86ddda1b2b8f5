"""The tzdata release by which an hour and a start were computed: where only its rules changed, nobody did. Pure.

applied   schedule.syncHourUtc        0                            what was set
          schedule.syncHourUtc.rules  00:00 Europe/London 2026a    from what, by which release of tzdata
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from controller.model.desired import DesiredMerchant
from controller.model.field_values import LOCAL_TIME_PATH, START_DATE_PATH, SYNC_HOUR_PATH, LocalTime, Values
from controller.model.local_times import local_date
from controller.model.zones import TZDATA_VERSION

_RULES = ".rules"


def time_sources(desired: DesiredMerchant) -> Mapping[str, str]:
    """By recorded path of the hour and the start: the manifest's words that it comes from, and the tzdata release."""
    local_time, start = desired.fields.get(LOCAL_TIME_PATH), desired.fields.get(START_DATE_PATH)
    if not isinstance(local_time, LocalTime):
        return {}
    sources = {SYNC_HOUR_PATH: f"{local_time.time} {local_time.zone} {TZDATA_VERSION}"}
    if isinstance(start, datetime):
        sources[START_DATE_PATH] = f"{local_date(start, local_time.zone)} {local_time.zone} {TZDATA_VERSION}"
    return sources


def recorded_source_path(path: str) -> str:
    """The path under which «last applied» records what a field was computed from."""
    return path + _RULES


def explain_changed_rules(path: str, desired: DesiredMerchant, applied: Values) -> str:
    """That the same words mean another instant by a newer tzdata; empty where the words changed, or nothing."""
    current_source, applied_source = time_sources(desired).get(path), applied.get(recorded_source_path(path))
    if current_source is None or not isinstance(applied_source, str):
        return ""
    *applied_words, applied_release = applied_source.split(" ")
    *current_words, current_release = current_source.split(" ")
    if applied_words != current_words or applied_release == current_release:
        return ""
    return f"the time-zone rules of {current_words[-1]} changed between tzdata {applied_release} and {current_release}"
