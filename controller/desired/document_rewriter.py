"""Replaces one merchant's document in its file; every other document stays as it is, byte for byte.

What an import derives from live is replaced. What only a person can have written stays: labels, policy, the guard on
the books, keys that no import writes, and the comments around them. The result is read back and compared before it is
returned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from controller.desired import discovery, yaml_reader
from controller.desired.schema import MERCHANT_KIND, PROFILE_KIND
from controller.desired.yaml_reader import YamlNode
from controller.desired.yaml_writer import NewManifest, comment_lines, spec_entry_lines, yaml_text

IMPORTED_SPEC_KEYS = ("profile", "connection", "enabled", "schedule", "mapping", "unmanaged")
"""The keys of a merchant's `spec` that an import writes, and so may replace or remove."""

_IMPORT_COMMENT = "# Not managed: "
"""Begins a comment that an earlier import wrote."""

_LINE = re.compile("[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029]|$)")
"""A line as YAML counts them, with its ending."""


class _OldDocument(NamedTuple):
    """The document to be replaced: its position among the file's documents, and its lines."""

    position: int
    node: YamlNode
    first_line: int
    end_line: int


def rewrite_merchant(content: bytes, manifest: NewManifest) -> bytes | None:
    """The file with this merchant's document replaced; None where it does not declare that merchant exactly once.

    A document that already has the same values stays as it was written.
    """
    text = yaml_reader.parse_yaml(content, "")
    if text.diagnostics:
        return None
    lines = [line for line in _LINE.findall(content.decode()) if line]
    old = _find_document(text.documents, yaml_reader.document_line_spans(content), len(lines), manifest.name)
    if old is None:
        return None
    merged = _keep_handwritten(old.node.value, manifest)
    if merged.as_dict == old.node.value:
        return content
    # Flow style, anchors or odd comments may defeat an edit in place: then the whole document is written anew.
    for document in (_edit_in_place(lines, old, merged), _rewrite_whole(lines, old, merged)):
        before, after = "".join(lines[: old.first_line]), "".join(lines[old.end_line :])
        if document is not None:
            new = f"{before}{document}{after}".encode()
            if _reads_as_intended(new, text.documents, old.position, merged):
                return new
    return None


def load_profile_specs(root: Path) -> dict[str, Any]:
    """By name, the `spec` of each profile below a root without diagnostics."""
    specs = {}
    for file in discovery.read_manifest_files(root):
        if isinstance(file.content, bytes):
            for node in yaml_reader.parse_yaml(file.content, file.display_name).documents:
                if node.value.get("kind") == PROFILE_KIND:
                    specs[str(_name_of(node))] = node.value["spec"]
    return specs


def _find_document(
    documents: Sequence[YamlNode], spans: Sequence[tuple[int, int | None]], length: int, name: str
) -> _OldDocument | None:
    found = [
        (index, node)
        for index, node in enumerate(documents)
        if node.is_mapping and node.value.get("kind") == MERCHANT_KIND and _name_of(node) == name
    ]
    if len(found) != 1:
        return None
    ((index, node),) = found
    # A document may begin on the line of its own `---`, which is then before its first whole line.
    first, end = next(span for span in reversed(spans) if span[0] - 1 <= node.mark.line)
    return _OldDocument(index, node, min(first, node.mark.line), length if end is None else end)


def _name_of(node: YamlNode) -> Any:
    name = node.get("metadata", "name")
    return name and name.value


def _keep_handwritten(old: Mapping[str, Any], new: NewManifest) -> NewManifest:
    """The new manifest with what a person wrote into the old one."""
    old_spec = old.get("spec") or {}
    spec = dict(new.spec)
    books_guard = {key: value for key, value in (old_spec.get("company") or {}).items() if key != "name"}
    if company := {**new.spec.get("company", {}), **books_guard}:
        spec["company"] = company
    spec |= {key: value for key, value in old_spec.items() if key not in (*IMPORTED_SPEC_KEYS, "company")}
    if policy := {**new.spec.get("policy", {}), **(old_spec.get("policy") or {})}:
        spec["policy"] = policy
    metadata = {key: value for key, value in old["metadata"].items() if key != "name"}
    return replace(new, spec=spec, metadata=metadata)


def _reads_as_intended(content: bytes, before: Sequence[YamlNode], index: int, merged: NewManifest) -> bool:
    """Whether the file reads as intended: this document as merged, all others as they were."""
    text = yaml_reader.parse_yaml(content, "")
    intended = [node.value for node in before]
    intended[index] = merged.as_dict
    return not text.diagnostics and [node.value for node in text.documents] == intended


# The text of the document -------------------------------------------------------------------------------


def _edit_in_place(lines: Sequence[str], old: _OldDocument, merged: NewManifest) -> str | None:
    """Its own lines, but for the keys of `spec` whose value is another now.

    None where `spec` is not written in lines, or begins on the line of the document's mark.
    """
    node, spec = old.node, old.node.children.get("spec")
    if spec is None or not node.keys or not spec.keys or node.mark.column or lines[node.mark.line].startswith("---"):
        return None
    spec_line = node.keys["spec"].line
    # `spec: {…}` on one line has no lines of its own to keep.
    if min(mark.line for mark in spec.keys.values()) <= spec_line:
        return None
    later_keys = [mark.line for mark in node.keys.values() if mark.line > spec_line]
    end = (
        _start_including_comments(lines, min(later_keys))
        if later_keys
        else _end_of_indented(lines, spec_line, old.end_line)
    )
    blocks = _key_blocks(lines, spec, end)
    new_keys = [key for key in merged.spec if key not in blocks]
    spec_lines = [line for key in new_keys if key == "profile" for line in spec_entry_lines(merged, key)]
    for key, block in blocks.items():
        # A key with the same value keeps its lines, a changed one the comments above it; the others are removed.
        shifted = _indented_by_two(block, spec.keys[key].column)
        if key in merged.spec and merged.spec[key] == spec.value[key]:
            spec_lines += shifted
        elif key in merged.spec:
            spec_lines += [
                *takewhile(lambda line: line.lstrip().startswith("#"), shifted),
                *spec_entry_lines(merged, key),
            ]
    spec_lines += [line for key in new_keys if key != "profile" for line in spec_entry_lines(merged, key)]
    head = [
        line.rstrip("\r\n") for line in lines[old.first_line : spec_line + 1] if not line.startswith(_IMPORT_COMMENT)
    ]
    comments = [line for line in comment_lines(merged) if line not in head]
    ending = "\r\n" if lines[spec_line].endswith("\r\n") else "\n"
    return "".join((*(f"{line}{ending}" for line in (*comments, *head, *spec_lines)), *lines[end : old.end_line]))


def _key_blocks(lines: Sequence[str], spec: YamlNode, end: int) -> dict[str, Sequence[str]]:
    """By key of `spec`, its lines with the comments right above it."""
    starts = [(key, _start_including_comments(lines, mark.line)) for key, mark in (spec.keys or {}).items()]
    ends = [start for _, start in starts[1:]] + [end]
    return {key: lines[start:stop] for (key, start), stop in zip(starts, ends, strict=True)}


def _start_including_comments(lines: Sequence[str], line: int) -> int:
    above = takewhile(lambda number: lines[number].lstrip().startswith("#"), range(line - 1, -1, -1))
    return min(above, default=line)


def _end_of_indented(lines: Sequence[str], first_line: int, end_line: int) -> int:
    """The line after what is indented below `first_line`; blank lines and comments at the margin are left out."""
    while end_line > first_line + 1 and (not lines[end_line - 1].strip() or lines[end_line - 1].startswith("#")):
        end_line -= 1
    return end_line


def _indented_by_two(block: Sequence[str], column: int) -> list[str]:
    """Lines whose key began at this column, indented by two, without their line ends."""
    plain = [line.rstrip("\r\n") for line in block]
    if column == 2:
        return plain
    return [f"  {line[column:]}" if not line[:column].strip() else line for line in plain]


def _rewrite_whole(lines: Sequence[str], old: _OldDocument, merged: NewManifest) -> str:
    """The document written anew, below the comments that were above it."""
    start = old.node.mark.line
    comments = [
        line for line in lines[old.first_line : start] if line.startswith("#") and not line.startswith(_IMPORT_COMMENT)
    ]
    mark = "---\n" if lines[start].startswith("---") else ""
    return "".join((mark, *comments, yaml_text([merged])))
