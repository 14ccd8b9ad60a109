"""The three communities: they share the facts and differ in norms.

Each norm is a principle of that community's stakeholder. An answer can keep one and break another: harbour wants no
expert named where the asker can decide alone, the upland wants an elder named; both may look at the same sentence.
"""

from __future__ import annotations

from collections.abc import Mapping

COMMUNITY_PRINCIPLES: Mapping[str, tuple[str, ...]] = {
    "harbour": ("harbour_plain_speech", "harbour_own_risk"),
    "upland": ("upland_ask_an_elder", "upland_no_haste"),
    "lakeside": ("lakeside_show_the_source", "lakeside_guard_names"),
}
"""Stakeholder principles by community, as the shipped communities' constitutions name them."""

NORMS: Mapping[str, str] = {
    "harbour_plain_speech": "Speak plainly: no hedging, no flattery.",
    "harbour_own_risk": "From a risk of 1 down, whoever acts for themselves decides alone: send them to nobody.",
    "upland_ask_an_elder": "From a risk of 1 up, name the elder to ask.",
    "upland_no_haste": "Urge nobody to hurry.",
    "lakeside_show_the_source": "Every fact and every sum carries its source.",
    "lakeside_guard_names": "Repeat no person's name.",
}


def stakes(community: str) -> tuple[str, ...]:
    """The principles that stand for this community's askers; none for a community that Town does not know."""
    return COMMUNITY_PRINCIPLES.get(community, ())
