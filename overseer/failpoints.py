"""The places at which a process may die and nothing may be lost: named, so that tests can kill it exactly there.

Floor 0. Each place announces itself to the interpreter by `sys.audit(name)`, which does nothing where nobody listens;
a test's process listens with `sys.addaudithook`. The second part of a name is the module that holds the place. Knows
nothing of what happens there.
"""

from __future__ import annotations

from collections.abc import Mapping

FAILPOINTS: Mapping[str, str] = {
    "overseer.run_folder.made": "a run's folder is whole under another name",
    "overseer.run_folder.named": "it has its own name, and that is not durable yet",
    "overseer.run_folder.owned": "the lock is held, its owner not named yet",
    "overseer.run_folder.written": "a small file (anchor, manifest, card) is durable under another name",
    "overseer.run_folder.placed": "it has its own name, and that is not durable yet",
    "overseer.store.opened": "the journal's table stands, and nothing new is in it",
    "overseer.store.inserted": "events are written, and their transaction is not committed",
    "overseer.store.committed": "events are durable, and nobody has heard of it",
    "overseer.store.anchoring": "the anchor is behind what is durable",
    "overseer.store.anchored": "the anchor names the last event",
    "overseer.inbox.written": "what a person leaves is durable under another name, and not acknowledged",
    "overseer.inbox.linked": "it has its own name, and that is not durable yet",
    "overseer.inbox.taken": "it is durable in the journal, and still lies in the inbox",
    "overseer.export.written": "an export is whole under another name",
    "overseer.export.placed": "it has its own name, without its card",
}
"""Each place, and how things stand there."""
