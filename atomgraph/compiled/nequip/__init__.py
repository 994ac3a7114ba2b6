"""The fused forms of NequIP and of its options for SevenNet."""
