"""The body of an answer, within bounds: Codat, or whatever answers in its place, must not fill our memory.

received ──▶ max_bytes ──▶ decompressed piece by piece ──▶ max_bytes ──▶ bytes
                 └─ more: AnswerTooLarge, the rest is not read ─┘
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import httpx

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Bytes that an answer may have, compressed and decompressed. The largest legitimate ones are a page of 5,000 companies
with their connections, several million bytes, and a configuration whose every row offers thousands of accounts."""

MAX_ERROR_BODY_BYTES = 1024 * 1024
"""Bytes that are read of an error: its sentence stands at the front."""

MAX_LISTING_BYTES = 512 * 1024 * 1024
"""Bytes that all pages of one listing may have, decompressed: some 400,000 companies, or a list without an end."""

_ZLIB_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class AnswerTooLarge(Exception):
    """The answer is larger than any of this API; the rest was not read."""


async def read_body(response: httpx.Response, max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
    """The body, decompressed.

    AnswerTooLarge beyond `max_bytes`; ValueError for a compression that was not asked for, or is broken.
    """
    try:
        return await _read_bounded(response, max_bytes)
    finally:
        await response.aclose()


async def read_error_body(response: httpx.Response) -> bytes:
    """The body of an error, decompressed; empty where it cannot be read."""
    try:
        return await read_body(response, MAX_ERROR_BODY_BYTES)
    except (AnswerTooLarge, ValueError):
        return b""


async def _read_bounded(response: httpx.Response, max_bytes: int) -> bytes:
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise AnswerTooLarge(
            f"it announces {format_size(int(announced))}, and {format_size(max_bytes)} is the most that is read"
        )
    decompress, body, received = _decompressor(response.headers.get("content-encoding", "")), bytearray(), 0
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for chunk in response.stream:
        received += len(chunk)
        if received > max_bytes:
            raise AnswerTooLarge(f"it has more than {format_size(max_bytes)}, the most that is read")
        # One byte more than allowed, so that too much shows, and never more than that in memory.
        body += decompress(chunk, max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            raise AnswerTooLarge(
                f"it unpacks to more than {format_size(max_bytes)}, the most that is read "
                f"({format_size(received)} came)"
            )
    return bytes(body)


class _Decompressor:
    """Decompresses chunk by chunk, and never more at once than it is told: a few bytes may decompress to gigabytes."""

    def __init__(self, window_bits: int) -> None:
        self._zlib, self._may_be_raw = zlib.decompressobj(window_bits), window_bits == zlib.MAX_WBITS

    def __call__(self, chunk: bytes, max_bytes: int) -> bytes:
        """At most `max_bytes` bytes; the rest of the chunk is dropped, since the caller gives up at that size."""
        may_be_raw, self._may_be_raw = self._may_be_raw, False
        try:
            return self._zlib.decompress(chunk, max_bytes)
        except zlib.error as error:
            if may_be_raw:  # some servers send «deflate» without the zlib header; the first chunk tells
                self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
                return self(chunk, max_bytes)
            raise ValueError(f"its packing is broken: {error}") from None


def _decompressor(encoding: str) -> Callable[[bytes, int], bytes]:
    """For one Content-Encoding that was asked for. ValueError for another, or for several (nested bombs)."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda chunk, _max_bytes: chunk
    if name not in _ZLIB_WINDOW_BITS:
        raise ValueError(f"it is packed as {encoding[:40]!r}, which was not asked for")
    return _Decompressor(_ZLIB_WINDOW_BITS[name])


def format_size(size_bytes: int) -> str:
    """`64 MB`, `120 bytes`."""
    return f"{size_bytes / 1024 / 1024:,.0f} MB" if size_bytes >= 1024 * 1024 else f"{size_bytes:,} bytes"
