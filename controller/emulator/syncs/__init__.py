"""The commerce sync: uploaded sales become entries in the merchant's books (API notes 3.12, 3.13, 4.7, 5.5).

Here: what the client uploads (`commerce_uploads`), when a sync is due and over which time (`sync_schedule`: pure),
whether the mapping still holds in the books (`mapping_faults`: pure), what is written for a day's records
(`bookkeeping`: pure), what comes of a sync (`evaluation`), the engine that runs it and notes its outcome (`engine`,
`sync_log`), and the endpoints (`endpoints`).

Never here: saving a configuration, and webhooks: no event tells of a commerce sync.
"""
