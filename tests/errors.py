"""What a test may see go wrong, where it is not one exception."""

from __future__ import annotations

import httpx

BROKEN_OFF = (httpx.RemoteProtocolError, httpx.ReadError)
"""The server ended the connection without a whole answer.

Which of the two it is, the kernel decides: a connection that is closed while a part of the request still stands unread
is reset (ReadError), otherwise it ends (RemoteProtocolError). On a busy machine both happen.
"""
