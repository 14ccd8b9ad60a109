"""The console at which people rule: `session` is one person's, `page` what they see, `terminal` where they sit."""

from __future__ import annotations

from overseer.console.session import review

__all__ = ["review"]
