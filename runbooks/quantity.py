"""Amounts as Kubernetes writes them, as exact numbers and back."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_FACTORS = {
    "": Decimal(1), "m": Decimal("0.001"), "k": Decimal(10**3), "K": Decimal(10**3), "M": Decimal(10**6),
    "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip
_QUANTITY = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?)([A-Za-z]{0,2})")


def quantity(text: str) -> Decimal:
    """Bytes or cores; raises ValueError."""
    match = _QUANTITY.fullmatch(text)
    if not match or match[2] not in _FACTORS:
        raise ValueError(f"'{text}' is no amount such as 512Mi or 250m")
    return Decimal(match[1]) * _FACTORS[match[2]]


def memory_text(amount: Decimal) -> str:
    """Bytes as whole mebibytes, rounded up."""
    return f"{math.ceil(amount / _FACTORS['Mi'])}Mi"


def cpu_text(amount: Decimal) -> str:
    """Cores as whole thousandths, rounded up."""
    return f"{math.ceil(amount * 1000)}m"
