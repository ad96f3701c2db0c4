"""Rows: which contenders meet on which workload, what is aimed at, and how that is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from speed import page
from speed.contender import CONTENDERS
from speed.peers import REMARKS
from speed.rounds import Call, Rounds
from speed.workloads import WORKLOADS

MEMORY = Call("memory", "narrows", "W1")
MEMORY_TARGET = 300.0  # MB
ALIKE = 2  # times the error of the loop by hand, up to which a contender has learned alike
FASTEST = "fastest library"  # whichever of the peers it is

# The products alone are worth knowing where layers are dense.
WITH_FLOOR = ("W1", "W2", "W3", "W4", "W5", "W8")
PEERS = {
    "W1": ("scikit-learn", "skorch", "pythae", "pyod", "keras-torch", "keras-jax"),
    "W3": ("scikit-learn", "skorch", "pyod"),
    "W4": ("scikit-learn", "skorch", "keras-jax"),
    "W8": ("pythae",),
}
COMPILED = ("W1",)


@dataclass(frozen=True)
class Row:
    """Ours beside another contender, and how many times its speed is aimed at, if anything is."""

    text: str
    workload: str
    target: float | None
    ours: str = "narrows"
    beside: str = "hand"
    measure: str = "fit"


def _fit(workload: str, target: float | None, ours: str = "narrows", beside: str = "hand") -> Row:
    precision = "float32, " if ours == "narrows-float32" else ""
    text = f"{workload}: fit, {precision}{WORKLOADS[workload].text}"
    if beside == FASTEST:
        text = f"{workload}: fit, {precision}beside the fastest library"
    return Row(text, workload, target, ours, beside)


ROWS = (
    _fit("W1", 1.25, "narrows-float32"),
    _fit("W1", 1.9),
    _fit("W1", 1.8, "narrows-float32", FASTEST),
    _fit("W1", 2.2, beside=FASTEST),
    _fit("W2", 1.05, "narrows-float32"),
    _fit("W2", 1.2),
    _fit("W3", 1 / 0.6),
    _fit("W4", 1.2),
    _fit("W4", 1.1, beside=FASTEST),
    _fit("W5", 1.2),
    _fit("W6", 1.2),
    _fit("W7", 1.2),
    _fit("W8", 1.3),
    _fit("W9", 1.3),
    Row("transform, 60,000 x 784", "W1", 0.95, measure="transform"),
    Row("transform, 200,000 x 50", "W4", 0.95, measure="transform"),
    Row("score_samples, 60,000 x 784", "W1", None, measure="score"),
    Row("score_samples, 200,000 x 50", "W4", None, measure="score"),
    Row("impute, 200,000 x 50, a tenth missing", "W4", None, measure="impute"),
    Row(f"a new process: imports and fit, {WORKLOADS['W3'].text}", "W3", 1 / 1.15, measure="start"),
)


def calls(workloads: Iterable[str], *, peers: bool) -> list[Call]:
    """Return what to measure for workloads, those that are compared next to each other."""
    found: dict[Call, None] = {}
    for name in workloads:
        rows = [row for row in ROWS if row.workload == name and row.measure == "fit"]
        fits = ["hand", *dict.fromkeys(row.ours for row in rows)]
        fits += ["floor"] * (name in WITH_FLOOR) + ["compiled"] * (peers and name in COMPILED)
        fits += PEERS.get(name, ()) if peers else ()
        found.update(dict.fromkeys(Call("fit", contender, name) for contender in fits))
        for row in ROWS:
            if row.workload == name and row.measure != "fit":
                found.update(
                    dict.fromkeys(Call(row.measure, c, name) for c in (row.beside, row.ours))
                )
        if name == MEMORY.workload:
            found[MEMORY] = None
    return list(found)


def row(row: Row, rounds: Rounds) -> list[str]:
    """Return the cells of a row, or why it has none."""
    target = "" if row.target is None else f"{row.target:.2f}"
    beside, named = row.beside, ""
    if beside == FASTEST:
        fastest = fastest_peer(row.workload, rounds)
        if fastest is None:
            return [row.text, "not run", "", "", target, "", "", ""]
        beside, named = fastest, f", {CONTENDERS[fastest].title}"
    theirs, ours = (Call(row.measure, name, row.workload) for name in (beside, row.ours))
    for call in (theirs, ours):
        reason = rounds.reason(call)
        if reason is not None:
            return [f"{row.text}: {reason}", "", "", "", target, "", "", ""]
    ratio = rounds.ratio(theirs, ours)
    return [
        row.text,
        f"{rounds.median(theirs):.3f} s{named}",
        f"{rounds.median(ours):.3f} s",
        f"{ratio:.2f}",
        target,
        _verdict(ratio, row.target),
        f"{rounds.ratio(theirs, ours, 'training'):.2f}" if row.measure == "fit" else "",
        _share(row, ours, rounds),
    ]


def _verdict(ratio: float, target: float | None) -> str:
    if target is None:
        return ""
    return "reached" if ratio >= target else "missed"


def _share(row: Row, ours: Call, rounds: Rounds) -> str:
    floor = Call("fit", "floor", row.workload)
    if row.measure != "fit" or floor not in rounds.found or rounds.reason(floor) is not None:
        return ""
    return f"{rounds.ratio(floor, ours, 'training'):.2f}"


def fastest_peer(workload: str, rounds: Rounds) -> str | None:
    """Return which library took the least time; None if none was run."""
    ran = [
        name
        for name in PEERS.get(workload, ())
        if (call := Call("fit", name, workload)) in rounds.found and rounds.reason(call) is None
    ]
    return min(ran, key=lambda name: rounds.median(Call("fit", name, workload)), default=None)


def memory(rounds: Rounds) -> str:
    """Return the line about memory."""
    reason = rounds.reason(MEMORY)
    if reason is not None:
        return f"Peak memory of fit: {reason}."
    found = rounds.median(MEMORY, "megabytes")
    verdict = "reached" if found <= MEMORY_TARGET else "missed"
    return (
        "Peak memory of fit on the 60,000 x 784 table with standard scaling, beyond one\n"
        f"float32 copy of it: {found:.0f} MB (target: at most {MEMORY_TARGET:.0f} MB, {verdict})."
    )


def beside_peers(workload: str, rounds: Rounds) -> list[str]:
    """Return the table of all that was fitted to a workload, slowest last, and remarks on it."""
    fits = [call for call in rounds.found if call[0] == "fit" and call.workload == workload]
    timed = [call for call in fits if rounds.reason(call) is None]
    timed.sort(key=rounds.median)
    ours = Call("fit", "narrows", workload)
    rows = [_peer(call, ours, rounds) for call in timed]
    for call in fits:
        reason = rounds.reason(call)
        if reason is not None:
            rows.append([CONTENDERS[call.contender].title, reason, "", "", "", ""])
    titles = [CONTENDERS[call.contender].title for call in fits]
    remarks = [f"- {title}: {REMARKS[title]}." for title in titles if title in REMARKS]
    head = ["", "seconds", "rows/s", "first", "error", "their time / ours"]
    return [page.table(head, rows), "\n".join(remarks)]


def _error(call: Call, rounds: Rounds) -> str:
    """Return a contender's error, with a word where it has not learned as the loop by hand has."""
    found, hand = rounds.last(call).get("error"), Call("fit", "hand", call.workload)
    if found is None:
        return ""
    usual = rounds.last(hand)["error"] if rounds.reason(hand) is None else found
    return f"{found:.4f}" + (" (not as by hand)" if found > ALIKE * usual else "")


def _peer(call: Call, ours: Call, rounds: Rounds) -> list[str]:
    contender, last = CONTENDERS[call.contender], rounds.last(call)
    versions = " ".join(f"{name} {number}" for name, number in last["versions"].items())
    title = f"{contender.title} ({versions})" if versions else contender.title
    seconds = rounds.median(call)
    compared = call != ours and rounds.reason(ours) is None
    return [
        title,
        f"{seconds:.3f}",
        f"{last['rows'] / seconds:,.0f}",
        f"{rounds.median(call, 'first'):.2f} s",
        _error(call, rounds),
        f"{rounds.ratio(call, ours):.2f}" if compared else "",
    ]
