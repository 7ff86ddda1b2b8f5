"""The commerce sync: uploaded sales become entries in the merchant's books (REFERENCE 3.12, 3.13, 4.7, 5.5).

Here: what the client uploads (`uploads`), when a sync is due and over which time (`periods`: pure), whether
the mapping still holds in the books (`mapping`: pure), what is written for a day's records (`bookkeeping`:
pure), the engine that runs a sync and files its outcome (`engine`), and the endpoints (`service`).

Never here: saving a configuration, and webhooks: no event tells of a commerce sync.
"""
