"""Which spans belong together, when a run is over, what its steps were and what the agent did about each failure."""
