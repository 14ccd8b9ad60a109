"""Training: exported files and Town in, a trained policy out. Torch lives here, and is loaded when first used.

Reading order: `generation` (the policy answers prompts), `networks` (policy, value head, reference), `rewards` (what a
rollout is worth), `ppo` (the algorithm, from top to bottom), beside it `adapters` (LoRA), `snapshots` (a run that was
killed goes on) and `monitor` (what is logged, and which alarms ring). Knows nothing of the engine: no hierarchy, no
journal, no verdict reaches it but as a number.
"""
