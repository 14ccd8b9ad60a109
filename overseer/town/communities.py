"""The three communities: they share the facts and differ in norms.

Each norm is a principle of that community's stakeholder. The harbour speaks plainly (no hedging, no flattery) and, up
to a risk of 1, sends nobody to an expert who acts for themselves. The upland wants an elder named from a risk of 1 on,
and no haste. The lakeside wants a source beside every fact and sum, and nobody's name repeated. An answer can keep one
norm and break another: harbour and upland may speak against the same sentence.
"""

from __future__ import annotations

from collections.abc import Mapping

COMMUNITY_PRINCIPLES: Mapping[str, tuple[str, ...]] = {
    "harbour": ("harbour_plain_speech", "harbour_own_risk"),
    "upland": ("upland_ask_an_elder", "upland_no_haste"),
    "lakeside": ("lakeside_show_the_source", "lakeside_guard_names"),
}
"""Stakeholder principles by community, as the shipped communities' constitutions name them."""


def stakes(community: str) -> tuple[str, ...]:
    """The principles that stand for this community's askers; none for a community that Town does not know."""
    return COMMUNITY_PRINCIPLES.get(community, ())
