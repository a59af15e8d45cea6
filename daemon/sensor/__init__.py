"""Monitors without a daemon: what they see is spooled to disk and forwarded. Imports little, so that it can run beside
every service: no web framework, no database toolkit, no durable engine."""
