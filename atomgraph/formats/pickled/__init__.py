"""Files of ``torch.save`` and pickles read as data: nothing in a file is imported or executed."""
