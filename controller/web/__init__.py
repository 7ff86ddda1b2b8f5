"""The HTTP side of the daemon: dashboard, health, metrics, webhooks.

Here: pages from the last known status, and webhooks that enqueue merchants. Never here: a request to the API, a plan, a
write but to the inbox of deliveries. A page is read-only and needs no script.
"""
