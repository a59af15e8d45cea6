"""Tracebacks as real interpreters and loggers print them, for the tests of whoever reads logs."""

from __future__ import annotations

import json

HEADER = "Traceback (most recent call last):"

PLAIN = f"""{HEADER}
  File "/srv/shop/web.py", line 40, in handle
    return view(request)
           ^^^^^^^^^^^^^
  File "/srv/shop/cart.py", line 12, in price
    return prices[sku]
           ~~~~~~^^^^^
KeyError: 'tea'
"""

CHAINED = f"""{HEADER}
  File "/srv/shop/cart.py", line 12, in price
    return prices[sku]
           ~~~~~~^^^^^
KeyError: 'tea'

During handling of the above exception, another exception occurred:

{HEADER}
  File "/srv/shop/web.py", line 40, in handle
    return view(request)
           ^^^^^^^^^^^^^
shop.errors.Refused: no price for tea
"""


def numbered(number: int, pad: str = "") -> str:
    """A record and its traceback, told from others by the message ``'n<number>'``."""
    return f"2026-01-01T00:00:00Z INFO request {number} {pad}\n" + PLAIN.replace("tea", f"n{number}")


def prefixed(text: str, prefix: str) -> str:
    """Every line behind a prefix; ``{0}`` in it counts the lines."""
    return "".join(f"{prefix.format(n)}{line}\n" for n, line in enumerate(text.splitlines()))


def json_line(text: str) -> str:
    """The record a JSON logger writes of a traceback."""
    return json.dumps({"level": "error", "event": "boom", "exception": text}) + "\n"
