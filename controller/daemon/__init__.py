"""The controller that stays: `merchantctl run`.

    bootstrap         settings, state, client, queue and web put together
    loop              the story: whoever is due is reconciled, until it is told to stop
    context           what the loop was given, and what it keeps
    workqueue         which merchants are due when: names, or EVERYONE
    state_queue       the same promise over all processes of one state, from its rows
    state_outage      while the state is out of reach: nothing is looked at, and it goes on by itself
    pass_result       one pass, and what it came to
    requeue           who is to be reconciled once more after a pass, and when; pure
    manifest_watcher  the newest manifests that are whole
    scheduler         timers: each puts names into the queue, or does a small piece of work
    notifier          the log, the metrics and the chat are told of each pass
    jobs              what runs beside the passes: sync polls, data refreshes, state clean-up

Never here: what a pass finds (planning), what is written (reconcile), a page (web), a setting's name (settings).
"""
