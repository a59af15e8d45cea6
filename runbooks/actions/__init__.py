"""Typed actions, one module each; what a runbook may do is what stands in all_actions.py."""
