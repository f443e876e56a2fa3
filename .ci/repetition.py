"""Whether the tests that failed beside the others have passed alone: `repetition.py FIRST.xml [SECOND.xml]`.

Both are JUnit reports of pytest. With the first alone it says whether a repetition could show anything: exit 1 when the
run broke off before its tests ran, or none failed. With both, exit 1 unless each test that failed was run again and
passed; one that was skipped the second time was not run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

_WORST_FIRST = ("error", "failure", "skipped", "passed")


def outcomes(report: Path) -> dict[str, str]:
    """Test -> the worst that is reported of it. Raises SystemExit when the run broke off before its tests."""
    if not report.exists():
        sys.exit(f"{report.name}: the run broke off without a report")
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        children = {child.tag: child.get("message", "") for child in case}
        if children.get("error") == "collection failure":
            sys.exit(f"{name}: could not be collected, so the tests did not run")
        outcome = next((each for each in _WORST_FIRST if each in children), "passed")
        found[name] = min(found.get(name, "passed"), outcome, key=_WORST_FIRST.index)
    return found


def main(first: Path, *second: Path) -> None:
    failed = {name for name, outcome in outcomes(first).items() if outcome in ("error", "failure")}
    if not failed:
        sys.exit(f"{first.name}: no test failed, yet the run did")
    for report in second:
        again = outcomes(report)
        for name in sorted(failed):
            print(f"unsteady: {name}: {again.get(name, 'not run')} alone")
        if any(again.get(name) != "passed" for name in failed):
            sys.exit("not everything that failed has passed alone")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
