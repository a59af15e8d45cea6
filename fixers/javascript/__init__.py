"""Repair of JavaScript and TypeScript: tree-sitter finds the places, small templates draft edits, node tries them."""
