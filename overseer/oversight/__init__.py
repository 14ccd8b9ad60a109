"""The oversight of one task: `generator` is the heart, `walk` what it carries and how it opens, `replies` its gate."""

from overseer.oversight.generator import oversee

__all__ = ["oversee"]
