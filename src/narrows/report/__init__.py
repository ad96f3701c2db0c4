"""Report: one offline page about a fitted model, gathered from what its public methods say."""
