"""What two or more of the three sisters (featurizers, layers, readouts) share."""
