"""What an audit found: text for the screen, one HTML page, and the document both are made from."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict

import msgspec

from grader.audit.run import IMPORT, KINDS, Verdict
from grader.exports.text import cut, fold, many

_HEADINGS = {"variant": "Variants", "mistake": "Mistakes", "rewrite": "Rewrites", "mutant": "Mutants"}


class Catches(msgspec.Struct, frozen=True):
    """One check: how many wrong cases it caught, how many of them before any other, how many alone.

    Alone: no other check fails in the student's report, those that require this one being blocked. A check of a whole
    network sees every mistake of its parts, so of a part's check no more can be asked than that it names the part.
    """

    check: str
    caught: int
    first: int
    alone: int


class Audit(msgspec.Struct):
    """The audit of one assignment.

    Attributes:
        every: all checks were run on every case; else on a wrong one only up to the first that failed, in an order of
            their own, and the table of checks says no more than which one that was.
        checks: the names of its checks, in their order.
    """

    assignment: str
    title: str
    seed: int
    limit: int | None
    every: bool
    checks: list[str]
    verdicts: list[Verdict]
    seconds: float = 0.0

    @property
    def false_accepts(self) -> list[Verdict]:
        """Full points for what is wrong."""
        return [verdict for verdict in self.verdicts if verdict.false_accept]

    @property
    def false_rejects(self) -> list[Verdict]:
        """Points lost by what is right."""
        return [verdict for verdict in self.verdicts if verdict.false_reject]

    @property
    def is_clean(self) -> bool:
        """No verdict is false."""
        return not self.false_accepts and not self.false_rejects

    def catches(self) -> list[Catches]:
        """What each check caught of the wrong cases, in the order of the checks."""
        caught: Counter[str] = Counter()
        first: Counter[str] = Counter()
        alone: Counter[str] = Counter()
        for verdict in self._wrong():
            caught.update(list(verdict.caught))
            first.update(list(verdict.caught)[:1])
            if len(verdict.told) == 1:
                alone.update(verdict.told)
        extra = [IMPORT] if caught[IMPORT] else []
        return [Catches(check, caught[check], first[check], alone[check]) for check in [*self.checks, *extra]]

    def never_alone(self) -> list[str]:
        """Checks that are never the only one to fail in a report: [] where not every check was run."""
        return [each.check for each in self.catches() if not each.alone and each.check != IMPORT] if self.every else []

    def together(self) -> list[list[str]]:
        """Checks that catch exactly the same cases, and some: [] where not every check was run."""
        caught: dict[str, list[str]] = defaultdict(list)
        for verdict in self._wrong():
            for check in verdict.caught:
                caught[check].append(f"{verdict.kind} {verdict.name}")
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for check in self.checks if self.every else []:
            if caught[check]:
                groups[tuple(sorted(caught[check]))].append(check)
        return [group for group in groups.values() if len(group) > 1]

    def elsewhere(self) -> list[Verdict]:
        """Mistakes that are caught, but by none of the checks they name."""
        mistakes = [verdict for verdict in self.verdicts if verdict.caught_by and verdict.caught and self.every]
        return [verdict for verdict in mistakes if not set(verdict.caught) & {*verdict.caught_by, IMPORT}]

    def counts(self) -> dict[str, str]:
        """Kind: how many there were, in words."""
        found = {}
        for kind in KINDS:
            some = [verdict for verdict in self.verdicts if verdict.kind == kind]
            if not some:
                continue
            text = f"{len(some):,}"
            if kind == "mutant":
                equivalent = sum(verdict.right is True for verdict in some)
                text += f", of which {len(some) - equivalent:,} compute something else and {equivalent:,} the same"
            elif unproven := sum(verdict.right is None for verdict in some):
                text += f", {unproven:,} of them not judged: they do compute something else"
            found[_HEADINGS[kind]] = text
        return found

    def median_seconds(self) -> tuple[float, float]:
        """Of a mutant, in the middle: to find out whether it is right, and to judge it."""
        mutants = [verdict for verdict in self.verdicts if verdict.kind in ("mutant", "rewrite")] or self.verdicts
        if not mutants:
            return 0.0, 0.0
        return (
            statistics.median(verdict.proof_seconds for verdict in mutants),
            statistics.median(verdict.seconds for verdict in mutants),
        )

    def document(self) -> dict[str, object]:
        """For other programs: its fields, and what is made from them."""
        fields: dict[str, object] = msgspec.to_builtins(self)
        made: dict[str, object] = {
            "false_accepts": [f"{verdict.kind} {verdict.name}" for verdict in self.false_accepts],
            "false_rejects": [f"{verdict.kind} {verdict.name}" for verdict in self.false_rejects],
            "catches": msgspec.to_builtins(self.catches()),
            "never_alone": self.never_alone(),
            "always_together": self.together(),
        }
        return made | fields

    def _wrong(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.right is False]


def text(audit: Audit, width: int = 80) -> str:
    """What the screen shows, in lines of at most ``width`` columns.

    >>> print(text(Audit("add", "Add", 0, None, False, ["shape"], [])))
    add: 0 false accepts, 0 false rejects
    """
    headline = f"{audit.assignment}: {many(len(audit.false_accepts), 'false accept')}, "
    lines = [headline + many(len(audit.false_rejects), "false reject")]
    lines += [f"  {kind}: {count}" for kind, count in audit.counts().items()]
    if not audit.verdicts:
        return lines[0]
    proof, judged = audit.median_seconds()
    lines.append(f"  Time of a mutant: {1000 * proof:,.0f} ms to prove, {1000 * judged:,.0f} ms to judge (median)")
    for title, false in (("False accepts", audit.false_accepts), ("False rejects", audit.false_rejects)):
        lines += ["", f"{title}:"] if false else []
        for verdict in false:
            lines += fold(f"  {verdict.kind} {verdict.name}: {verdict.what}", width, indent=4)
            lines += fold(f"    {reason(verdict)}", width, indent=6)
    lines += ["", f"{'Check':38}{'caught':>8}" + f"{'first':>8}{'alone':>8}" * audit.every]
    for each in audit.catches():
        more = f"{each.first:8,}{each.alone:8,}" if audit.every else ""
        lines.append(f"{cut(each.check, 38):38}{each.caught:8,}{more}")
    for each_group in audit.together():
        lines += fold(f"Always together: {', '.join(each_group)}", width, indent=2)
    if audit.never_alone():
        lines += fold(f"Never alone: {', '.join(audit.never_alone())}", width, indent=2)
    for verdict in audit.elsewhere():
        found = f"{verdict.name} names {', '.join(verdict.caught_by)}, and was caught by {', '.join(verdict.caught)}"
        lines += fold(f"Caught elsewhere: {found}", width, indent=2)
    broken = sorted({check for verdict in audit.verdicts for check in verdict.broken})
    if broken:
        lines += fold(f"Checks that broke by themselves: {', '.join(broken)}", width, indent=2)
    return "\n".join(lines)


def reason(verdict: Verdict) -> str:
    """Why a verdict is false.

    >>> reason(Verdict("mutant", "m", "0 became 1", "number", [], False, difference="add(1)", accepted=True))
    'full points, but it differs in: add(1)'
    """
    if verdict.false_accept:
        return f"full points, but it differs in: {verdict.difference}" if verdict.difference else "full points"
    caught = ", ".join(f"{check} ({status})" for check, status in verdict.caught.items())
    return f"it is right, but loses points: {caught}: {' '.join(verdict.message.split())}"


def overview(audits: list[Audit]) -> str:
    """One line for each assignment.

    >>> print(overview([Audit("add", "Add", 0, None, True, [], [])]))
    Assignment         cases  wrong  right   false accepts  false rejects
    add                    0      0      0               0              0
    """
    lines = [f"{'Assignment':16} {'cases':>7} {'wrong':>6} {'right':>6}   {'false accepts':>13}  {'false rejects':>13}"]
    for audit in audits:
        wrong = sum(verdict.right is False for verdict in audit.verdicts)
        right = sum(verdict.right is True for verdict in audit.verdicts)
        lines.append(
            f"{audit.assignment:16} {len(audit.verdicts):7,} {wrong:6,} {right:6,}   "
            f"{len(audit.false_accepts):13,}  {len(audit.false_rejects):13,}"
        )
    return "\n".join(lines)


def html(audits: list[Audit]) -> str:
    """One page that stands by itself; what it quotes is shown as text.

    >>> "&lt;b&gt;" in html([Audit("add", "<b>", 0, None, True, [], [])])
    True
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_PAGE).render(audits=audits, reason=reason, overview=overview(audits))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Audit</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { border-bottom: 1px solid #ccc; padding: .2em .8em .2em 0; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; }
pre { background: #f4f4f4; overflow-x: auto; padding: .6em; }
</style>
</head>
<body>
<h1>Audit</h1>
<pre>{{ overview }}</pre>
{% for audit in audits %}
<h2>{{ audit.assignment }}: {{ audit.title }}</h2>
<p>{{ audit.false_accepts | length }} false accepts, {{ audit.false_rejects | length }} false rejects.
{% for kind, count in audit.counts().items() %}{{ kind }}: {{ count }}. {% endfor %}
Seed {{ audit.seed }}.
{% if not audit.every %}Each wrong case was run up to the first check that caught it.{% endif %}</p>
{% for title, some in (("False accepts", audit.false_accepts), ("False rejects", audit.false_rejects)) if some %}
<h3>{{ title }}</h3>
{% for verdict in some %}
<p><b>{{ verdict.kind }} {{ verdict.name }}</b>: {{ verdict.what }}<br>{{ reason(verdict) }}</p>
<pre>{{ verdict.diff }}</pre>
{% endfor %}
{% endfor %}
<h3>Which check caught what</h3>
<table>
<tr><th>Check<th class="n">caught<th class="n">first<th class="n">alone</tr>
{% for each in audit.catches() %}
<tr><td>{{ each.check }}<td class="n">{{ each.caught }}<td class="n">{{ each.first }}
<td class="n">{{ each.alone if audit.every else "" }}</tr>
{% endfor %}
</table>
{% for group in audit.together() %}<p>Always together: {{ group | join(", ") }}</p>
{% endfor %}
{% if audit.never_alone() %}<p>Never alone: {{ audit.never_alone() | join(", ") }}</p>
{% endif %}
<details><summary>All {{ audit.verdicts | length }} cases</summary>
<table>
<tr><th>Case<th>What<th>Right<th>Accepted<th>Caught by<th class="n">ms</tr>
{% for verdict in audit.verdicts %}
<tr><td>{{ verdict.kind }} {{ verdict.name }}<td>{{ verdict.what }}
<td>{{ {True: "right", False: "wrong", None: "not known"}[verdict.right] }}<td>{{ "yes" if verdict.accepted else "no" }}
<td>{{ verdict.caught | join(", ") }}<td class="n">{{ (1000 * verdict.seconds) | round | int }}</tr>
{% endfor %}
</table>
</details>
{% endfor %}
</body>
</html>
"""
