"""One run: observe, plan, apply, record.

    fleet              a run over a fleet: the story
    plan_merchant      one merchant: the story
    load_snapshot      what is desired, recorded and listed, read once for a run
    snapshot           that, as one value
    observe            what Codat says of one merchant, and how sure that is
    in_sync_cache      merchants that need no new plan, since nothing of theirs changed
    fleet_plan         all plans together: limits, what could not be read, what is said of the fleet as a whole
    saved_plan_check   a saved plan, compared with what is planned now
    apply              a plan's changes, one after another, each with its intent on disk before it cannot be undone
    listing_for_creates  the listing that company creates rest on
    concurrent_creates  after creates: whether somebody made the same company meanwhile
    recover_intents    creates whose answer was lost: looked for before anything is created anew
    retry_lost_creates the same within the very run that lost them
    fence              the lock is proven just before a write leaves
    concurrency        many merchants at a time; one failure never stops another
    failure_policy     quarantine, backoff, the circuit breaker, a limit of the account
    recent_changes     what was changed in the last 24 hours, for runs that nobody asked for
    request_estimate   what the plans cost in requests, and whether the day's quota has room for it
    persist            what is recorded afterwards
    last_looks         how each merchant stood at the last look at it, kept for whoever asks
    finding_history    since when each finding is open
    merchant_identity  whose company is whose
    account_identity   which account the state belongs to
    fleet_membership   which merchants came and went since the last load that was carried out
    in_flight_changes  what passes beside this one may not have made yet
    pass_takeovers     merchants that a short pass takes over from a long one
    open_manual_syncs  who is switched off for a manual sync, and whether it has ended
    rollout_holds      merchants that a rollout holds
    last_sync          how a merchant's latest sync went, read and recorded

Never here: a rule about what should change (planning), a format (reporting), a schedule (daemon).
"""
