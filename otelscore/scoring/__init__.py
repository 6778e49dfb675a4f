"""From trajectories to numbers: one trajectory's score, rolling figures, counters and histograms."""
