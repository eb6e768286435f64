"""The stock agent: epochs armed and ended, units moved between the pool and the shards (DESIGN §5).

`tests/sim/agent.py` and `agent_rearm.py` are the model of exactly this, with every guard by name.
"""
