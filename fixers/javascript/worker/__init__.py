"""What runs inside the sandbox: the search's own process and its threads, in JavaScript."""
