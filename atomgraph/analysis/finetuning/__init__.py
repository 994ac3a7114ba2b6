"""Fine-tuning: the audit before it, the report card after it, and the comparison of its methods."""
