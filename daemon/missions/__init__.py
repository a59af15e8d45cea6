"""From an incident to an outcome: the durable workflow and its stages."""
