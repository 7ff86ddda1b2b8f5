"""How large an answer may be: the bounds themselves. What a run makes of it: end_to_end/test_endless_answers.py."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest

from controller.codat.answer_body import MAX_LISTING_BYTES, AnswerTooLarge, read_body
from controller.codat.answer_parsing import UnreadableAnswer
from controller.codat.client import ListingSize

MB = 1024 * 1024


def packed(body: bytes) -> httpx.Response:
    packer = zlib.compressobj(wbits=31)
    return httpx.Response(
        200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(packer.compress(body) + packer.flush())
    )


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_up_to_the_bound_a_body_is_whole(size: int) -> None:
    assert asyncio.run(read_body(packed(b"x" * size), 1000)) == b"x" * size


def test_one_byte_more_is_too_large() -> None:
    with pytest.raises(AnswerTooLarge, match="more than 1,000 bytes"):
        asyncio.run(read_body(packed(b"x" * 1001), 1000))


def test_what_is_not_packed_is_bounded_as_it_comes() -> None:
    async def endless() -> None:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 100

        await read_body(httpx.Response(200, content=pieces()), 1000)

    with pytest.raises(AnswerTooLarge, match="it has more than 1,000 bytes"):
        asyncio.run(endless())


def test_the_pages_of_a_listing_are_bounded_together() -> None:
    tally, page = ListingSize(), b" " * (64 * MB)
    for _ in range(MAX_LISTING_BYTES // len(page)):
        tally.add_or_raise(page)
    with pytest.raises(UnreadableAnswer, match="all pages together have more than 512 MB"):
        tally.add_or_raise(b" ")
