"""What benchmarks share; no benchmark itself."""
