"""Medians of pairs: a figure of ours over the floor's taken next to it, and how far the pairs lie apart."""

import statistics


def pairs(ours, theirs):
    """Of two lists of figures that belong together: both medians, the ratios' median, least and greatest."""
    both = [(a, b) for a, b in zip(ours, theirs) if a and b]
    if not both:
        return None
    ratios = [a / b for a, b in both]
    return {
        "ours": statistics.median(a for a, _ in both),
        "floor": statistics.median(b for _, b in both),
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "greatest": max(ratios),
        "pairs": len(ratios),
    }


def spread(values):
    """Median, least and greatest of what has nothing to be compared with."""
    values = [value for value in values if value is not None]
    return {"ours": statistics.median(values), "least": min(values), "greatest": max(values), "pairs": len(values)}


def slope(report, few, many, figure="private"):
    """Bytes a client, between two steps of one report, told by their places."""
    few, many = report["steps"][few], report["steps"][many]
    clients = many["standing"] - few["standing"]
    return (many["memory"][figure] - few["memory"][figure]) / clients
