"""junit.xml: a testsuite per student, a testcase per check, for tools that show test reports.

For instructors: it says everything that a result says, hidden checks included. No times: they differ from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from grader.exports.text import excerpt, number, one_line
from grader.gradebook import Entry
from grader.result import Status, TestResult

# What a check's status is called here; a passed one has no element. Nothing was written: a failure, not a skip, since
# tools show skips as harmless.
KINDS: dict[Status, str] = {
    "failed": "failure",
    "not_attempted": "failure",
    "blocked": "skipped",
    "error": "error",
    "timeout": "error",
    "out_of_memory": "error",
    "crashed": "error",
}
_LINES, _FRAMES = 40, 10


def document(entries: Sequence[Entry], *, title: str) -> bytes:
    """The XML. A hand-in that cannot be graded as a whole has one more testcase, "hand-in", with the error.

    >>> from grader.result import CheckDetail, Result, Summary
    >>> test = TestResult("f adds one", 0, 1, "failed", "", CheckDetail("f", "failed", "f(1) is 1."))
    >>> entry = Entry("alice", Result(0, 0, [test], Summary("a", "A", "a.py", "failed", 1)))
    >>> ElementTree.fromstring(document([entry], title="A")).find("testsuite/testcase/failure").get("message")
    'f(1) is 1.'
    """
    root = ElementTree.Element("testsuites", name=one_line(title))
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for entry in entries:
        suite = _suite(entry)
        for count in total:
            total[count] += int(suite.get(count, "0"))
        root.append(suite)
    root.attrib |= {count: str(value) for count, value in total.items()}
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _suite(entry: Entry) -> ElementTree.Element:
    result, student = entry.result, one_line(entry.student)
    suite = ElementTree.Element("testsuite", name=student)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("score", number(result.score)), ("flags", " ".join(sorted(entry.flags)))):
        ElementTree.SubElement(properties, "property", name=name, value=value)
    summary = result.extra_data
    if summary.message:
        case = ElementTree.SubElement(suite, "testcase", classname=student, name="hand-in")
        _outcome(case, "error", summary.status, summary.message, [], summary.frames)
        _printed(case, summary.printed)
    for test in result.tests:
        suite.append(_case(student, test))
    counts = {"tests": "testcase", "failures": "*/failure", "errors": "*/error", "skipped": "*/skipped"}
    suite.attrib |= {count: str(len(suite.findall(path))) for count, path in counts.items()}
    return suite


def _case(student: str, test: TestResult) -> ElementTree.Element:
    detail = test.extra_data
    case = ElementTree.Element("testcase", classname=student, name=one_line(test.name))
    if detail.status != "passed":
        sides = {"Expected": detail.expected, "Actual": detail.actual, "Likely": detail.diagnosis, "Try": detail.hint}
        told = [f"{name}: {side}" for name, side in sides.items() if side]
        _outcome(case, KINDS[detail.status], detail.status, detail.message, told, detail.frames)
    _printed(case, detail.printed)
    return case


def _outcome(
    case: ElementTree.Element, kind: str, status: Status, message: str, told: list[str], frames: list[str]
) -> None:
    element = ElementTree.SubElement(case, kind, type=status, message=one_line(message))
    texts = [message, *told, *frames[-_FRAMES:]]
    element.text = "\n".join(line for text in texts for line in excerpt(text, _LINES))


def _printed(case: ElementTree.Element, printed: str) -> None:
    lines = excerpt(printed, _LINES, end=True)
    if lines:
        ElementTree.SubElement(case, "system-out").text = "\n".join(lines)
