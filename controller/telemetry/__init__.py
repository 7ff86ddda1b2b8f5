"""Telemetry for operators: the log, metrics, and alerts to a chat.

Never here: how a plan or report is shown (reporting), when a pass runs (daemon).
"""
