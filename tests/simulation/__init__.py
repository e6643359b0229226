"""The whole pool in virtual time, from one seed: real workers, a model of the broker, the sandbox's exchanges, and faults.

`python -m tests.simulation --seeds 200` plays seeds, `--seed 7` plays one and shows what happened. A seed decides
everything: who works, what is published, what breaks and when. So a seed that fails once fails always.
"""
