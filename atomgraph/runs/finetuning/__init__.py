"""Parts of fine-tuning: the starting potential, replay structures, the report card, comparisons of methods."""
