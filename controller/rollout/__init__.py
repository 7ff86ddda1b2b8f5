"""A change in waves.

    waves       who goes when; pure
    gate        whether the next wave may begin; pure
    operations  start, resume, pause, abort, undo, status: settings and state put together
    run         the story: a wave is written, soaked and looked at again, then the next
    record      what is remembered of a rollout, and which process may work on it
    undo        a rollout put back

Never here: a merchant's plan (planning), a write (reconcile).
"""
