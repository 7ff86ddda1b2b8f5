"""Telling the client what happened: both generations of webhooks (REFERENCE 6).

Here: legacy rules and alerts (`rules`), newer consumers (`consumers`), the words of each generation
(`legacy`, `newer`: pure, an event in, bodies out), signatures (`signing`), and the post that carries a
body until it is taken or given up (`post`; its habits are tables in `habits`).

Never here: deciding that something happened. Subjects say so through `World.emit`.
"""
