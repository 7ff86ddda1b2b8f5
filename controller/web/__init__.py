"""What the resident controller shows and hears over HTTP: dashboard, health, metrics, webhooks.

Here: pages from what is known already, and notes that a merchant is to be looked at. Never here: a request to the
API, a plan, a write but for the inbox of deliveries. A page is read-only and needs no script.
"""
