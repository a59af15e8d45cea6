"""The critic: compares patches that pass the same tests by what they do on inputs nobody wrote a test for."""
