"""Whether spans come through to the figures, and where they are stuck. A client: it knows no more than agents do."""
