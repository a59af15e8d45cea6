"""The report for programs: the same values, versioned, with the sums worked out."""

from __future__ import annotations

import json
from typing import Any

from nightshift.daemon.model import dump, load
from nightshift.daemon.reports.clean import clean_report
from nightshift.daemon.reports.model import ReportData

VERSION = 1


def to_dict(data: ReportData) -> dict[str, Any]:
    """Plain JSON values of a cleaned report, `totals` added; `from_dict` reads it back."""
    data = clean_report(data)
    totals = {"incidents": len(data.incidents), "signals": data.signals, "cost": dump(data.cost), **data.counts}
    return {"version": VERSION, **dump(data), "totals": totals}


def from_dict(raw: dict[str, Any]) -> ReportData:
    """A report from `to_dict`'s values. Raises ValueError when they don't fit."""
    return load(ReportData, {key: value for key, value in raw.items() if key not in ("version", "totals")})


def to_json(data: ReportData) -> str:
    """The report as a JSON document."""
    return json.dumps(to_dict(data), ensure_ascii=False, indent=2) + "\n"
