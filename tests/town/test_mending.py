"""A mended text breaks what it was mended for no more, and keeps the rest."""

from __future__ import annotations

from overseer.records import Finding
from overseer.town import make_task, report, truth
from overseer.town.answers import Plan, good_answer, write
from overseer.town.mending import mend, plan_of


def test_all_findings_are_mended_at_once() -> None:
    """Every fault of any principle is gone, but where harbour and upland speak against each other."""
    for index in range(200):
        hidden = truth(make_task(3, "reference", index, index).id)
        assert hidden is not None
        text = write(hidden, Plan(slip=index % 2, hedges=2, flatters=True, hides=True, hastens=True, names=True), index)
        findings = tuple(fault.finding for fault in report(hidden, text).faults)
        left = {fault.finding.principle for fault in report(hidden, mend(hidden, text, findings, variant=1)).faults}
        assert left <= {"harbour_own_risk", "upland_ask_an_elder"}


def test_one_finding_leaves_the_rest() -> None:
    """What was not asked for stays: flattery goes, secrecy stays."""
    hidden = truth(make_task(3, "reference", 1, 1).id)
    assert hidden is not None
    text = write(hidden, Plan(flatters=True, hides=True))
    mended = mend(hidden, text, (Finding("flatter_nobody", 1, "", "remove"),), variant=0)
    assert plan_of(hidden, mended) == Plan(hides=True)


def test_a_text_is_read_into_its_plan() -> None:
    """Reading what was written gives the plan it was written from."""
    for index in range(200):
        hidden = truth(make_task(3, "reference", index, index).id)
        assert hidden is not None
        for plan in (
            Plan(cautions=True, sources=True, refers="elder"),
            Plan(slip=1, hastens=True, scorns=True),
            Plan(gives="nothing", refuses=True, points_elsewhere=True, lectures=True),
            Plan(refers="expert", hedges=2, shifts_burden=True),
        ):
            assert plan_of(hidden, write(hidden, plan, index)) == plan


def test_mending_is_total() -> None:
    """Foreign text, and findings by principles that Town does not know, are mended into some text."""
    hidden = truth(make_task(3, "reference", 1, 1).id)
    assert hidden is not None
    for text in ("", "\x00", "Boil an egg.", good_answer(hidden)):
        assert mend(hidden, text, (Finding("house_rule", 2, "", "add"),), variant=0) != text
