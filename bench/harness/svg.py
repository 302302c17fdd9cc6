"""Plain plots: horizontal bars with their values, in one SVG file without anything else."""

from xml.sax.saxutils import escape

WIDTH, ROW, LABEL, VALUE = 640, 26, 150, 70


def bars(title, values):
    """A bar for each name; the longest has the whole width, short ones stay visible."""
    top = max(values.values(), default=1) or 1
    height = 40 + ROW * len(values)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="22" font-weight="bold">{escape(title)}</text>',
    ]
    for n, (name, value) in enumerate(values.items()):
        y = 36 + n * ROW
        length = max(1, (WIDTH - LABEL - VALUE) * value / top)
        color = "#d9480f" if name.startswith("multiplexor") else "#868e96"
        text = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LABEL}" y="{y + 2}" width="{length:.1f}" height="{ROW - 8}" fill="{color}"/>',
            f'<text x="{LABEL + length + 6:.1f}" y="{y + 15}">{text}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
