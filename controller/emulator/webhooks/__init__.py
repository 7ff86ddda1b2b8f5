"""Webhooks to the client, of both generations (API notes 6).

Here: legacy rules and alerts (`rules`), newer consumers (`consumers`), the words of each generation
(`legacy_events`, `newer_events`: pure, an event in, bodies out), signatures (`signing`), and the worker that
delivers a body until it is taken or given up (`delivery_worker`; when it tries again stands in `retry_policy`).

Never here: deciding that something happened. Subjects say so through `World.emit`.
"""
