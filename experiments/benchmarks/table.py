"""The results as a Markdown table."""

from __future__ import annotations

from typing import Any

HEAD = "| what | unit | ours | beside | ratio | turns | goal | note |\n|---|---|---|---|---|---|---|---|"


def markdown(results: dict[str, Any]) -> str:
    """One table for each benchmark, under a line that says where and when it was measured."""
    return "\n\n".join(_section(name, result) for name, result in results.items()) + "\n"


def _section(name: str, result: dict[str, Any]) -> str:
    where = (
        f"{result['date']}, {result['cores']} × {result['cpu']} ({result['cpu_capability']}), torch {result['torch']}, "
        f"load {result['load']} before and {result['load_after']} after"
    )
    lines = [f"**{name}**: {where}"]
    if result["quick"]:
        lines.append("*Tiny networks and pictures (`--quick`): these figures say nothing.*")
    if result["provisional"]:
        lines.append(f"*Provisional: {result['provisional']}*")
    return "\n\n".join([*lines, "\n".join([HEAD, *map(_row, result["rows"])])])


def _row(row: dict[str, Any]) -> str:
    ours, *theirs = row["medians"].items()
    beside = f"{theirs[0][0]}: {_number(theirs[0][1])}" if theirs else ""
    ratio = f"{row['ratio']:.3g}" if row["ratio"] is not None else ""
    turns = str(len(row["runs"][ours[0]]))
    cells = [row["what"], row["unit"], _number(ours[1]), beside, ratio, turns, row["goal"], row["note"]]
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
