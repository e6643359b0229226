"""The whole pool in virtual time, from one seed: real workers, a broker model, the sandbox's exchanges, accidents.

`python -m tests.simulation --seeds 200` plays seeds, `--seed 7` plays one and shows what happened. A seed decides
everything: who works, what is published, what breaks and when. So a seed that fails once fails always.
"""
