"""Sending a merchant's commerce data so that each record arrives once, however often the same file is pushed.

    json_stream   the records of a JSON or NDJSON text, one after the other; pure
    input_files   a file, a folder or stdin as such texts
    spool         the records of one push on disk: each once, as it was said last
    comparison    what of them is new, changed or to be deleted; pure
    limits        what a push is refused for; pure
    sending       one request after another, each on disk before it leaves; lost answers looked up
    operations    push and its status: settings, manifests and state put together

Never here: what is remembered (state), how it is shown (reporting).
"""
