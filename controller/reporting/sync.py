"""Syncs and uploads in words: how each stands, and what to do about one that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.model.sync import Dataset, Progress, Prospect, Sync, Unsent
from controller.reporting.paint import PLAIN, Paint
from controller.reporting.words import clean, columns, count, instant, moment

_MEANING = {
    1000: ("in progress", "merchantctl sync {name} --status --wait"),
    1010: ("in progress for more than ten minutes", "merchantctl sync {name} --status --wait"),
    2000: ("done", ""),
    2040: ("done: there was nothing to push", ""),
    4000: ("the configuration is wrong", "merchantctl plan --target {name}"),
    4040: ("the company or its connection is gone", "merchantctl status {name}"),
    4220: ("the company or its connection is gone", "merchantctl status {name}"),
    4260: ("the merchant's subscription to the accounting software has expired", "ask the merchant to renew it"),
    5000: ("the service failed", "sync again later"),
    5080: ("the range was synchronised before", "begin where the last success ends: merchantctl sync {name}"),
    5120: (
        "the commerce data could not be processed",
        "push orders, payments and transactions, all three, and sync again",
    ),
    5130: ("writing to the books failed", "sync again later"),
}
"""By status code (REFERENCE 5.5): what it means, and the next step."""
_STYLES = {Progress.RUNNING: "change", Progress.SUCCESS: "good", Progress.FAILED: "bad"}


def prospect_text(name: str, prospect: Prospect) -> str:
    """What a sync would do, and the warning that belongs to it."""
    start = f"from {moment(prospect.start)}" if prospect.start else "from the beginning"
    text = f"Sync {clean(name)} {start} to {moment(prospect.finish)}: sales go into the merchant's books."
    if not prospect.enabled:
        return text
    return (
        f"{text}\nScheduled syncs are on: the next one takes its latest 24 hours whole, and books them again."
        "\nTo be safe, switch them off first: enabled: false in the manifest, then merchantctl apply."
    )


def sync_text(name: str, sync: Sync, paint: Paint = PLAIN) -> str:
    """`acme  done  2026-11-21 00:00 UTC to 2026-11-22 00:00 UTC`, the service's words, and the next step."""
    meaning, step = _MEANING.get(sync.code, (sync.status or "not known to this version", ""))
    covered = f"  {moment(sync.start)} to {moment(sync.finish)}" if sync.start and sync.finish else ""
    began = f"  begun {moment(sync.began)}" if sync.began else ""
    head = f"{paint('strong', clean(name))}  {paint(_STYLES[sync.progress], meaning)} ({sync.code}){covered}{began}"
    lines = [head, *(f"  {clean(line)}" for line in sync.message.splitlines() if line)]
    return "\n".join([*lines, f"  {paint('strong', '>')} {step.format(name=clean(name))}"] if step else lines)


def sync_json(name: str, sync: Sync | None) -> dict[str, Any]:
    """`sync` is null where there was none."""
    shown = sync and {
        "id": sync.id,
        "progress": sync.progress.value,
        "code": sync.code,
        "status": sync.status,
        "message": sync.message,
        "began": instant(sync.began),
        "start": instant(sync.start),
        "finish": instant(sync.finish),
        "dataPushed": sync.pushed,
    }
    return {"schemaVersion": 1, "kind": "Sync", "complete": True, "merchant": name, "sync": shown}


def push_text(name: str, uploads: Sequence[Dataset | Unsent], paint: Paint = PLAIN) -> str:
    """One line an upload; then how many records went."""
    rows = [(each.data_type, count(each.records, "record"), *_fate(each, paint)) for each in uploads]
    sent = sum(each.records for each in uploads if isinstance(each, Dataset))
    return "\n".join(
        [*columns(rows, "  "), f"{paint('strong', 'Push:')} {count(sent, 'record')} of {clean(name)} sent."]
    )


def push_json(name: str, uploads: Sequence[Dataset | Unsent]) -> dict[str, Any]:
    shown = [_upload_json(each) for each in uploads]
    return {"schemaVersion": 1, "kind": "Push", "complete": True, "merchant": name, "uploads": shown}


def _fate(upload: Dataset | Unsent, paint: Paint) -> tuple[str, str]:
    if isinstance(upload, Unsent):
        return paint("bad", "failed"), clean(upload.reason)
    return paint(_STYLES[upload.progress], upload.progress.value), clean(
        " ".join(filter(None, (upload.status, upload.message)))
    )


def _upload_json(upload: Dataset | Unsent) -> dict[str, Any]:
    head = {"dataType": upload.data_type, "records": upload.records}
    if isinstance(upload, Unsent):
        return head | {"datasetId": None, "progress": "failed", "status": None, "message": upload.reason}
    rest = {"progress": upload.progress.value, "status": upload.status, "message": upload.message}
    return head | {"datasetId": upload.id} | rest
