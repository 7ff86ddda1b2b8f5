"""Syncs and uploads in words: how each stands, and what to do about one that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.model.pushes import MAX_EXAMPLES, PushedDataset, PushReport
from controller.model.syncs_and_uploads import Sync, SyncPreview, TransferStatus, UploadFailure, UploadStatus
from controller.reporting.formatting import align_columns, clean, format_count, format_iso, format_list, format_time
from controller.reporting.paint import WITHOUT_COLOUR, Paint

_MEANING = {
    1000: ("in progress", "merchantctl sync {name} --status --wait"),
    1010: ("in progress for more than ten minutes", "merchantctl sync {name} --status --wait"),
    2000: ("done", ""),
    2040: ("done: there was nothing to push", ""),
    4000: ("the configuration is wrong", "merchantctl plan --target {name}"),
    4040: ("the company or its connection is gone", "merchantctl status {name}"),
    4220: ("the company or its connection is gone", "merchantctl status {name}"),
    4260: ("the merchant's subscription to the accounting software has expired", "ask the merchant to renew it"),
    5000: ("Codat failed", "sync again later"),
    5080: ("the range was synchronised before", "begin where the last success ends: merchantctl sync {name}"),
    5120: (
        "the commerce data could not be processed",
        "push orders, payments and transactions, all three, and sync again",
    ),
    5130: ("writing to the books failed", "sync again later"),
}
"""By status code (API notes 5.5): what it means, and the next step."""
_STYLE_BY_TRANSFER = {TransferStatus.RUNNING: "change", TransferStatus.SUCCESS: "good", TransferStatus.FAILED: "bad"}


def sync_preview_text(name: str, preview: SyncPreview) -> str:
    """What a sync would do, and the warning that belongs to it."""
    start = f"from {format_time(preview.start)}" if preview.start else "from the beginning"
    text = f"Sync {clean(name)} {start} to {format_time(preview.finish)}: sales go into the merchant's books."
    if preview.start and preview.leaves_out_from:
        text += (
            f"\nSales from {format_time(preview.leaves_out_from)} to {format_time(preview.start)} are left out for "
            "good: later syncs go on from the end of this one."
        )
    if not preview.enabled:
        return text
    return (
        f"{text}\nScheduled syncs are switched off meanwhile, and on again when it has ended."
        "\nThe next one takes its latest 24 hours whole, and books again what falls into them: to be safe, sync up to"
        "\nthe last sync hour (--to)."
    )


def sync_text(name: str, sync: Sync, paint: Paint = WITHOUT_COLOUR) -> str:
    """`acme  done  2026-11-21 00:00 UTC to 2026-11-22 00:00 UTC`, Codat's words, and the next step."""
    meaning, step = _MEANING.get(sync.code, (sync.status or "not known to this version", ""))
    covered = (
        f"  {format_time(sync.covers_from)} to {format_time(sync.covers_until)}"
        if sync.covers_from and sync.covers_until
        else ""
    )
    began = f"  begun {format_time(sync.started_at)}" if sync.started_at else ""
    style = _STYLE_BY_TRANSFER[sync.transfer_status]
    head = f"{paint('strong', clean(name))}  {paint(style, meaning)} ({sync.code}){covered}{began}"
    # One line, whatever the message holds: a line break in it would forge the line of a next step.
    lines = [head, *([f"  {clean(message)}"] if (message := " ".join(sync.message.split())) else [])]
    return "\n".join([*lines, f"  {paint('strong', '>')} {step.format(name=clean(name))}"] if step else lines)


def sync_json(name: str, sync: Sync | None) -> dict[str, Any]:
    """`sync` is null where there was none."""
    shown = sync and {
        "id": sync.id,
        "progress": sync.transfer_status.value,
        "code": sync.code,
        "status": sync.status,
        "message": sync.message,
        "began": format_iso(sync.started_at),
        "start": format_iso(sync.covers_from),
        "finish": format_iso(sync.covers_until),
        "dataPushed": sync.data_pushed,
    }
    return {"schemaVersion": 1, "kind": "Sync", "complete": True, "merchant": name, "sync": shown}


def push_text(name: str, report: PushReport, paint: Paint = WITHOUT_COLOUR) -> str:
    """One line an upload; what was kept back, and why; then how many records went."""
    rows = [
        (each.data_type, format_count(each.records, "record"), *_upload_outcome(each, paint)) for each in report.uploads
    ]
    lines = align_columns(rows, "  ")
    for refusal in report.refusals:
        lines += [f"  {paint('bad', 'refused')}  {clean(refusal.why)}", f"  {paint('strong', '>')} {refusal.remedy}"]
        lines.append(f"    to push it all the same: --allow {refusal.limit.value}")
    total = report.total
    if total.in_books:
        ids = format_list(report.in_books, MAX_EXAMPLES) + (", …" if total.in_books > len(report.in_books) else "")
        lines.append(
            f"  {paint('bad', 'not sent')}  {format_count(total.in_books, 'record')} that changed, and that the books "
            f"have already: {ids}. Sent again they may be booked twice; --resend sends them all the same"
        )
    return "\n".join([*lines, f"{paint('strong', 'Push:')} {_push_summary(clean(name), report)}"])


def _push_summary(name: str, report: PushReport) -> str:
    total = report.total
    parts = ((total.new, "new"), (total.changed, "changed"), (total.deleted, "deleted"))
    what = ", ".join(f"{number:,} {word}" for number, word in parts if number)
    unchanged = f"; {total.unchanged:,} as before" if total.unchanged else ""
    if report.refusals:
        return f"nothing of {name} was sent ({what}{unchanged})."
    if not total.to_send:
        return f"nothing of {name} to send{unchanged}."
    if not report.sent:
        return f"{format_count(total.to_send, 'record')} of {name} would be sent ({what}){unchanged}."
    sent = sum(each.records for each in report.uploads if isinstance(each, UploadStatus))
    of = f" of {total.to_send:,}" if sent != total.to_send else ""
    return f"{format_count(sent, 'record')}{of} of {name} sent ({what}){unchanged}."


def push_json(name: str, report: PushReport) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "kind": "Push",
        "complete": True,
        "merchant": name,
        "sent": report.sent,
        "refusals": [{"limit": each.limit.value, "why": each.why, "remedy": each.remedy} for each in report.refusals],
        "records": {
            data_type: {
                "new": counts.new,
                "changed": counts.changed,
                "deleted": counts.deleted,
                "unchanged": counts.unchanged,
                "inBooks": counts.in_books,
            }
            for data_type, counts in report.counts.items()
        },
        "uploads": [_upload_json(each) for each in report.uploads],
    }


def pushed_datasets_text(name: str, datasets: Sequence[PushedDataset], paint: Paint = WITHOUT_COLOUR) -> str:
    """A table of what was pushed, the newest first."""
    if not datasets:
        return f"Nothing of {clean(name)} was pushed yet."
    head = tuple(paint("strong", word) for word in ("dataset", "type", "records", "status", "when", ""))
    rows = [
        (
            each.dataset_id or "-",
            each.data_type,
            f"{each.records:,}",
            clean(_dataset_word(each)),
            format_time(each.begun_at),
            clean(each.message),
        )
        for each in datasets
    ]
    return "\n".join(line.rstrip() for line in align_columns([head, *rows], ""))


def pushed_datasets_json(name: str, datasets: Sequence[PushedDataset]) -> dict[str, Any]:
    shown = [
        {
            "datasetId": each.dataset_id,
            "dataType": each.data_type,
            "records": each.records,
            "status": each.status,
            "message": each.message,
            "at": format_iso(each.begun_at),
        }
        for each in datasets
    ]
    return {"schemaVersion": 1, "kind": "PushStatus", "complete": True, "merchant": name, "datasets": shown}


def _dataset_word(dataset: PushedDataset) -> str:
    words = {"Sending": "answer lost: the next push looks", "NotSent": "not sent"}
    return words.get(dataset.status, dataset.status)


def _upload_outcome(upload: UploadStatus | UploadFailure, paint: Paint) -> tuple[str, str]:
    if isinstance(upload, UploadFailure):
        return paint("bad", "failed"), clean(upload.reason)
    return paint(_STYLE_BY_TRANSFER[upload.transfer_status], upload.transfer_status.value), clean(
        " ".join(filter(None, (upload.status, upload.message)))
    )


def _upload_json(upload: UploadStatus | UploadFailure) -> dict[str, Any]:
    head = {"dataType": upload.data_type, "records": upload.records}
    if isinstance(upload, UploadFailure):
        return head | {"datasetId": None, "progress": "failed", "status": None, "message": upload.reason}
    rest = {"progress": upload.transfer_status.value, "status": upload.status, "message": upload.message}
    return head | {"datasetId": upload.id} | rest
