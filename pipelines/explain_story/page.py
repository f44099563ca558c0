"""A story as one HTML page that needs nothing else: no network, no scripts, no other files."""

from html import escape

from pipelines.explain_story.picture import timeline
from pipelines.explained import Story

_HEADS = {
    "context": "What was known",
    "segments": "Segments it is in",
    "lately": "What happened lately",
    "decisions": "Decisions",
    "why": "Why",
    "why_not": "Why not",
}

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: #222; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
pre { font: 13px/1.5 ui-monospace, monospace; background: #f6f6f6; padding: .8rem; margin: 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
figure { overflow-x: auto; margin: 0; }
svg { width: 100%; min-width: 44rem; height: auto; }
""".strip()


def page_of(story: Story) -> str:
    """Return the page: the timeline as a picture, then the parts of the text; whatever the data hold is escaped."""
    parts = story.parts()
    name, *more = map(escape, parts.pop("subject"))
    drawn = timeline(story)
    picture = f'<figure role="img" aria-label="Timeline of {name}">{drawn}</figure>' if drawn else ""
    told = "\n".join(
        f"<section><h2>{_HEADS[part]}</h2>\n<pre>{escape(chr(10).join(lines))}</pre></section>"
        for part, lines in parts.items()
        if lines
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{name}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>{name}</h1>
{"".join(f"<p>{line}</p>" for line in more)}
{picture}
{told}
</body>
</html>
"""
