"""Files of nequip and SevenNet."""
