"""Training: exported files and Town in, a trained policy out. Torch lives here, and is loaded when first used.

Reading order: `generation` (the policy answers prompts), `networks` (policy, value head, reference), `rewards` (what a
rollout is worth), `ppo` (the algorithm, from top to bottom), beside it `adapters` (LoRA), `snapshots` (a run that was
killed goes on) and `monitor` (what is logged, and which alarms ring). The stages before it stand on TRL: `tables`,
`data` and `tokens` read, `stages` say what is learned, `fitting`, `held_out` and `outputs` do the rest. Knows nothing
of the engine: no hierarchy, no journal, no verdict reaches it but as a number.
"""
