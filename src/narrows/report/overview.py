"""The overview: better than PCA or not, and what to worry about."""

from __future__ import annotations

from collections.abc import Iterator

from narrows.core.types import Json
from narrows.report import codes
from narrows.report.subject import ReportInput
from narrows.report.table import HOLES

DRIFT, OVERFIT, ALONE, LEAK, LISTED = 0.05, 1.5, 0.2, 0.05, 5
MINUS = "\N{MINUS SIGN}"

Section = Json


def described(subject: ReportInput, sections: Json) -> Json:
    """Return facts, the verdict beside PCA, and alerts, the most urgent first."""
    alerts = [*_alerts(subject, sections)]
    alerts.sort(key=lambda alert: ("problem", "note").index(alert["level"]))
    return {
        "facts": _facts(subject, sections),
        "verdicts": [
            beside_pca(sections["explained"], subject.n_components),
            *compared(sections["comparison"]),
        ],
        "alerts": alerts,
    }


def beside_pca(explained: Section, n_components: int) -> dict[str, str]:
    """Return whether the code keeps more of the variance than a PCA of equal size."""
    if explained.get("needs"):
        text = (
            "Whether the code is better than PCA cannot be judged on training rows; give held-out "
            "rows."
        )
        return {"state": "unknown", "text": f"{text} {explained['needs']}"}
    kept, linear = explained["total"], explained["pca"]
    if linear != linear:  # NaN: no training rows to make a PCA of
        text = f"The code keeps {kept:.1%} of the variance. Give train= for a PCA beside it."
        return {"state": "unknown", "text": text}
    variance = "variance of new rows" if explained["held_out"] else "variance"
    size = f"{n_components} component" + "s" * (n_components > 1)
    beside = f"{size} keep{'s' * (n_components == 1)} {kept:.1%} of the {variance}; a PCA of "
    beside += f"equal size {linear:.1%}"
    difference = explained["difference"]
    if difference is None:
        better = "more" if kept > linear else "not more"
        return {
            "state": "better" if kept > linear else "worse",
            "text": f"{beside}: {better} than PCA, but on too few rows to tell that from chance.",
        }
    over = f"(95% interval {points(difference['low'])} to {points(difference['high'])} points)"
    if difference["low"] > 0:
        return {"state": "better", "text": f"{beside}: better than PCA {over}."}
    if difference["high"] < 0:
        return {"state": "worse", "text": f"{beside}: not better than PCA, but worse {over}."}
    return {"state": "equal", "text": f"{beside}: not better than PCA beyond chance {over}."}


def compared(comparison: Section | None) -> Iterator[dict[str, str]]:
    """Yield for each metric what differs from the reference beyond chance."""
    if comparison is None:
        return
    reference = comparison["reference"]
    for entry in comparison["verdicts"]:
        better, worse, equal = (entry[key] for key in ("better", "worse", "equal"))
        if not better and not worse and not equal:
            continue
        if better:
            said = f"better than {reference}: {_listed(better)}"
        else:
            said = f"nothing is better than {reference} beyond chance"
        if worse:
            said += f"; worse: {_listed(worse)}"
        state = "better" if better else "worse" if worse and not equal else "equal"
        label = f"{entry['label'][:1].upper()}{entry['label'][1:]}"
        yield {"state": state, "text": f"{label}, compared fold by fold: {said}."}


def _facts(subject: ReportInput, sections: Json) -> list[dict[str, str]]:
    training, explained = sections["training"], sections["explained"]
    rows = "held-out rows" if subject.seen.held_out else "rows"
    rows = "training rows" if subject.seen.share == 1 else rows
    views = f"columns in {len(subject.views)} views" if subject.views else "columns"
    facts = [
        {"value": f"{subject.n_rows:,}", "label": rows},
        {"value": f"{len(subject.columns):,}", "label": views},
        {"value": f"{subject.n_components}", "label": "components"},
    ]
    if not explained.get("needs"):
        facts.append({"value": f"{explained['total']:.1%}", "label": "of the variance kept"})
        if explained["pca"] == explained["pca"]:
            facts.append({"value": f"{explained['pca']:.1%}", "label": "by a PCA of equal size"})
    facts.append(
        {
            "value": f"{training['n_epochs']:,}",
            "label": f"epochs in {training['seconds']:.3g} s",
        }
    )
    return facts


def _alerts(subject: ReportInput, sections: Json) -> Iterator[dict[str, str]]:
    yield from _of_rows(subject)
    yield from _of_training(sections["training"])
    yield from _of_code(subject)
    yield from _of_data(subject, sections["data"])
    yield from _of_errors(sections["anomalies"])
    if sections["reproduction"]["seed"] is None:
        yield _alert("note", "reproduction", "No seed was set: another fit gives another model.")


def _of_rows(subject: ReportInput) -> Iterator[dict[str, str]]:
    seen = subject.seen
    if seen.share == 1:
        yield _alert(
            "note",
            "overview",
            "All figures are of training rows, which look better than others would.",
        )
    elif seen.held_out is None:
        yield _alert(
            "note",
            "overview",
            "The model keeps no record of its training rows, and they were not given, so nobody "
            "can tell whether these rows are among them; if they are, the figures flatter it.",
        )
    elif seen.n_seen:
        yield _alert(
            "problem" if seen.share > LEAK else "note",
            "overview",
            f"{str(seen).capitalize()} seen in training, so they are not held out.",
        )


def _of_training(training: Section) -> Iterator[dict[str, str]]:
    reason = training["stop_reason"]
    if reason in ("diverged", "interrupted"):
        yield _alert("problem", "training", f"Training {reason}; the best weights were kept.")
    share = training["still_falling"]
    if share is not None and reason == "max_epochs" and training["chosen"] is None:
        yield _alert(
            "note",
            "training",
            f"The objective still fell by {share:.1%} in the last tenth of the epochs; more "
            "max_epochs may help.",
        )


def _of_code(subject: ReportInput) -> Iterator[dict[str, str]]:
    quiet = codes.silent(subject.codes)
    if quiet:
        names = ", ".join(subject.component_names[number] for number in quiet[:LISTED])
        more = f" and {len(quiet) - LISTED} more" if len(quiet) > LISTED else ""
        yield _alert(
            "problem",
            "code",
            f"Components {names}{more} hardly move from row to row: they carry nothing. Choose "
            "fewer components.",
        )


def _of_data(subject: ReportInput, data: Section) -> Iterator[dict[str, str]]:
    for columns_found, level, one, several in (
        (data["without_cells"], "problem", "has no measured cell", "have no measured cell"),
        (
            data["with_holes"],
            "note",
            f"lacks more than {HOLES:.0%} of its cells",
            f"lack more than {HOLES:.0%} of their cells",
        ),
        (data["constant"], "note", "is constant here", "are constant here"),
    ):
        if columns_found:
            count = len(columns_found)
            text = f"1 column {one}" if count == 1 else f"{count:,} columns {several}"
            yield _alert(level, "data", f"{text}: {_listed(columns_found)}.")


def _of_errors(anomalies: Section) -> Iterator[dict[str, str]]:
    alone, share = anomalies["share_of_worst"], anomalies["histogram"]
    measure = anomalies["measure"]
    if alone is not None and alone > ALONE and len(anomalies["rows"]) > 1:
        yield _alert(
            "problem",
            "anomalies",
            f"Row {anomalies['rows'][0]['name']} alone has {alone:.0%} of all {measure}. Look at "
            "it first: it weighs on every mean of this page, the variance kept included.",
        )
    if "beyond" not in share:
        return
    if share["beyond"] > DRIFT:
        yield _alert(
            "problem",
            "anomalies",
            f"{share['beyond']:.1%} of the rows have more {measure} than 99% of the training "
            "rows have: these rows are unlike them, or the model is overfitted.",
        )
    median, usual = anomalies["median"], share["train_median"]
    if usual > 0 and median > OVERFIT * usual:
        yield _alert(
            "note",
            "anomalies",
            f"The median {measure} is {median / usual:.1f} times that of training rows; fewer "
            "epochs, early_stopping=True or a penalty may help.",
        )


def _alert(level: str, section: str, text: str) -> dict[str, str]:
    return {"level": level, "section": section, "text": text}


def points(share: float) -> str:
    """Return a difference of two shares in points of a hundred."""
    return f"{100 * share:+.1f}".replace("-", MINUS)


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(str, names[:LISTED]))
    return shown + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
