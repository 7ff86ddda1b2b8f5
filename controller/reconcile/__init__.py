"""The shell around planning: look, think, act, remember, tell.

    fleet     a fleet, once: the story of every run
    cycle     one merchant, once: the story
    sweep     many merchants: bounded concurrency, one failure never stops another, a pause when many fail in a row
    observe   what the API says of one merchant, and how sure that is
    apply     a plan's changes, one after another, each with its intent on disk before it cannot be taken back
    trouble   one merchant's trouble kept from the others: quarantine, back-off, the breaker, a limit reached
    lately    what was changed in the last 24 hours, for runs that nobody asked for
    budget    what carrying plans out costs, and whether the day's quota has room for it
    judging   all plans together: limits, what was not seen, what is said of the fleet as a whole
    saved     a saved plan, held against what is seen now
    settle    creates whose answer was lost: look twice before anything is created anew
    second_round  the same in the very run that lost them
    rollout   a change in waves: the story; rollout_record is what is remembered of it, and who may turn it
    undoing   a rollout put back
    holding   whom rollouts hold
    last_sync how a merchant's latest sync went, read and remembered
    record    what we remember afterwards
    ledger    since when each finding is seen
    ports     what the above need of the API and of the state

Never here: a rule about what should change (planning), a format (reporting), a schedule (runtime).
"""
