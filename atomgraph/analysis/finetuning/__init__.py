"""Analysis of fine-tuning: audit of the data before training, report card after training, and comparison of methods."""
