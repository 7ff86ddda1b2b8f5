"""What `run` does beside its passes, a few merchants at a time.

resync            whose turn it is, evenly spread
listing_watcher   whose connections, name or company changed
sync_poller       how each merchant's latest sync went
abandoned_sync_watcher  merchants that a dead `sync` has left switched off
data_refresher    reference data that has grown old is pulled again
heartbeat         this process's sign of life
shared_view       what other processes saw on the same state
sampler           how the fleet stands, for charts
report_sender     reports that are due by their schedule
state_cleaner     old rows of the state are thinned
merchant_backoff  whose turn it is, so that one merchant's trouble is its own
"""
