"""Small systems that run the first half of the notes: where AI is going, one file a trend."""
