"""When a controller that stays looks, and at whom.

    service    the story: whoever is due is looked at, until it is told to stop
    workqueue  who is due when: names of merchants, or EVERYONE
    tasks      the same promise over several machines that share one state
    duty       what the service was given, and what it keeps
    passes     one look, and what it came to
    again      who is to be looked at once more after a pass, and when; pure
    revision   the newest manifests that are whole
    scheduler  timers: each puts names into the queue, or does a small piece of work
    rota       how each merchant's last sync went, a few merchants a minute
    refresh    reference data that has grown old is asked for again
    telling    the log, the metrics and the chat hear of each pass

Timer, webhook and a finished pass all say the same: «look at acme». Never here: what a look finds (planning), what is
written (reconcile), a page (web), a setting's name (settings).
"""
